#include "throughline_frames.h"

#if __APPLE__ && __LP64__
#include <dlfcn.h>
#include <mach-o/loader.h>
#include <stdio.h>
#include <string.h>

/// What a module says about itself: the id of its build, and where its code begins in its file.
struct module {
    const uint8_t *uuid;
    uint64_t code;
};

static struct module read_module(const struct mach_header_64 *header) {
    struct module module = {NULL, 0};
    const uint8_t *at = (const uint8_t *)(header + 1);
    for (uint32_t n = 0; n < header->ncmds; n++) {
        const struct load_command *command = (const struct load_command *)at;
        if (command->cmd == LC_UUID) module.uuid = ((const struct uuid_command *)at)->uuid;
        if (command->cmd == LC_SEGMENT_64) {
            const struct segment_command_64 *segment = (const struct segment_command_64 *)at;
            if (strcmp(segment->segname, SEG_TEXT) == 0) module.code = segment->vmaddr;
        }
        at += command->cmdsize;
    }
    return module;
}

size_t throughline_frames(const uintptr_t *addresses, size_t count, char *text, size_t size) {
    size_t written = 0;
    for (size_t n = 0; n < count; n++) {
        // Inside the call, and without the signature that pointers have on arm64e.
        uint64_t address = ((uint64_t)addresses[n] & 0x7fffffffffffull) - 1;
        const char *break_before = n == 0 ? "" : "\n";
        Dl_info info;
        int length;
        if (dladdr((const void *)address, &info) == 0 || info.dli_fbase == NULL) {
            length = snprintf(text + written, size - written, "%s#%02zu pc %016llx  <unknown> [fp]", break_before, n,
                              (unsigned long long)address);
        } else {
            const struct mach_header_64 *header = info.dli_fbase;
            struct module module = read_module(header);
            uint64_t slide = (uint64_t)header - module.code;
            const char *path = info.dli_fname ? info.dli_fname : "", *slash = strrchr(path, '/');
            char id[48] = "no BuildId";
            if (module.uuid) {
                memcpy(id, "BuildId: ", 9);
                for (size_t byte = 0; byte < 16; byte++) snprintf(id + 9 + 2 * byte, 3, "%02x", module.uuid[byte]);
            }
            length = snprintf(text + written, size - written, "%s#%02zu pc %016llx  %s (%s) [fp]", break_before, n,
                              (unsigned long long)(address - slide), slash ? slash + 1 : path, id);
        }
        if (length < 0 || (size_t)length >= size - written) break;
        written += (size_t)length;
    }
    return written;
}
#else
size_t throughline_frames(const uintptr_t *addresses, size_t count, char *text, size_t size) {
    (void)addresses, (void)count, (void)text, (void)size;
    return 0;
}
#endif
