#include "throughline_process.h"

#if __APPLE__
#include <TargetConditionals.h>
#include <mach/mach.h>
#include <mach/task_policy.h>
#include <sys/sysctl.h>
#include <unistd.h>

double throughline_process_started(void) {
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid()};
    struct kinfo_proc process;
    size_t size = sizeof process;
    if (sysctl(name, 4, &process, &size, NULL, 0) != 0 || size == 0) return 0;
    struct timeval started = process.kp_proc.p_starttime;
    return (double)started.tv_sec + (double)started.tv_usec / 1e6;
}

uint64_t throughline_process_footprint(void) {
    task_vm_info_data_t info;
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    if (task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count) != KERN_SUCCESS) return 0;
    return info.phys_footprint;
}

bool throughline_process_is_in_front(void) {
#if TARGET_OS_TV || TARGET_OS_WATCH
    return true;
#else
    task_category_policy_data_t policy;
    mach_msg_type_number_t count = TASK_CATEGORY_POLICY_COUNT;
    boolean_t isDefault = false;
    kern_return_t result =
        task_policy_get(mach_task_self(), TASK_CATEGORY_POLICY, (task_policy_t)&policy, &count, &isDefault);
    return result != KERN_SUCCESS || policy.role == TASK_FOREGROUND_APPLICATION;
#endif
}
#else
double throughline_process_started(void) { return 0; }

uint64_t throughline_process_footprint(void) { return 0; }

bool throughline_process_is_in_front(void) { return true; }
#endif
