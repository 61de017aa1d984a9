/* Ways to crash below a virtual machine. A test compiles it. */
#include <pthread.h>
#include <stdlib.h>

typedef void (*nowhere)(void);

enum kind { NULL_WRITE, ABORT, BAD_JUMP, DIVISION };

__attribute__((noinline)) int app_provoke(int kind, volatile int zero) {
    switch (kind) {
    case NULL_WRITE: *(volatile int *)(long)(zero + 8) = 1; break;
    case ABORT: abort();
    case BAD_JUMP: ((nowhere)(0xdead0000L + zero))(); break;
    case DIVISION: return 1234567 / zero;
    }
    return zero + 1;
}

static int chosen;

__attribute__((noinline)) static void *app_thread(void *unused) {
    return (char *)unused + app_provoke(chosen, 0);
}

/* `dev.throughline.CrashingApp.provoke(int, boolean)` */
int Java_dev_throughline_CrashingApp_provoke(void *environment, void *self, int kind, unsigned char on_a_thread) {
    (void)environment;
    (void)self;
    if (!on_a_thread) return app_provoke(kind, 0) + 1;
    pthread_t thread;
    chosen = kind;
    if (pthread_create(&thread, 0, app_thread, 0) != 0) exit(9);
    pthread_join(thread, 0);
    return 0;
}
