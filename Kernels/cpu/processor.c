// What this processor and this process may do.
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "DescentKernels.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <fenv.h>
#endif

#if defined(__linux__)
// Processors' worth of time that a control group allows, rounded up; 0 where there is no limit.
// Version 2 writes "quota period" or "max period" in one file, version 1 a number in each of two.
static int quota(const char *quotaFile, const char *periodFile) {
  long allowed = -1, period = 100000;
  FILE *file = fopen(quotaFile, "re");
  if (!file) return 0;
  int numbers = fscanf(file, "%ld %ld", &allowed, &period);
  fclose(file);
  if (numbers < 1) return 0;
  if (periodFile && (file = fopen(periodFile, "re"))) {
    if (fscanf(file, "%ld", &period) < 1) period = 0;
    fclose(file);
  }
  if (allowed <= 0 || period <= 0) return 0;
  return (int)((allowed + period - 1) / period);
}
#endif

#if defined(__linux__)
// The limit of this process's own group where version 2 is mounted, else of the root that a
// container sees.
static int ownQuota(void) {
  char line[4096], path[4200];
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return 0;
  int limit = 0;
  while (!limit && fgets(line, sizeof line, file)) {
    if (strncmp(line, "0::/", 4) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
    limit = quota(path, NULL);
  }
  fclose(file);
  return limit;
}
#endif

int descent_processors(void) {
  int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
  int limit = ownQuota();
  if (!limit) limit = quota("/sys/fs/cgroup/cpu.max", NULL);
  if (!limit)
    limit = quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (limit && limit < count) count = limit;
#endif
  return count < 1 ? 1 : count;
}

// The ends of this thread's stack, which do not change. Asking the system allocates, and on the
// first thread reads a file.
static _Thread_local char *stackLow, *stackHigh;

long descent_stack_left(void) {
  if (!stackHigh) {
#if defined(__linux__)
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0, guard = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_getguardsize(&attributes, &guard);
    pthread_attr_destroy(&attributes);
    if (guard < size) stackLow = (char *)low + guard;
    stackHigh = (char *)low + size;
#elif defined(__APPLE__)
    stackHigh = pthread_get_stackaddr_np(pthread_self());
    stackLow = stackHigh - pthread_get_stacksize_np(pthread_self());
#endif
  }
  char *here = __builtin_frame_address(0);
  return stackLow < here && here < stackHigh ? here - stackLow : 0;
}

void descent_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#if defined(__x86_64__)
// All exceptions masked, round to nearest, neither flush-to-zero nor denormals-are-zero.
uint64_t descent_environment_default(void) {
  uint64_t before = _mm_getcsr();
  _mm_setcsr(0x1f80);
  return before;
}

void descent_environment_restore(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
uint64_t descent_environment_default(void) {
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
  return before;
}

void descent_environment_restore(uint64_t before) {
  __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
uint64_t descent_environment_default(void) {
  uint64_t before = (uint64_t)fegetround();
  fesetround(FE_TONEAREST);
  return before;
}

void descent_environment_restore(uint64_t before) { fesetround((int)before); }
#endif
