// An OpenCL layer for tests of what a failure leaves behind, of what waits, and of other drivers'
// ways. OPENCL_LAYERS names the library; the rest are variables of the environment:
//
// DESCENT_FAULT=FUNCTION:NTH:STATUS  the nth call, counted from 1, fails; all others are passed on.
//   "FUNCTION, later" is a command that fails by its event, at the next flush or wait that blocks,
//   "FUNCTION, now" one that has failed when the call returns, and "FUNCTION, skipped" one that
//   Intel's CPU runtimes have skipped: its event polls as complete, a wait for it fails, and what
//   waits for it runs. "FUNCTION, stuck" is one that never ends.
// DESCENT_DEVICE_LIMIT, DESCENT_KERNEL_LIMIT=ITEMS  work-groups of the device or of each kernel are
// smaller.
// DESCENT_LATE_WRITES  blocking writes to a queue out of order return before other commands see
//   them, as on Intel's CPU runtimes.
// DESCENT_CALL_COUNTS=FILE  is written at the end: a line for each function, with its number of
// calls, and at last "fault 1" if the fault was made, else "fault 0".
//
// The calls, in order, are read by descent_calls(), which a test finds in the loaded library.
#define CL_TARGET_OPENCL_VERSION 300
#define _GNU_SOURCE
#include <CL/cl_layer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct _cl_icd_dispatch dispatch;
static const struct _cl_icd_dispatch *target;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// MARK: What was called

// In order; names are constants.
static const char *calls[1 << 16];
static size_t callCount;

static void note(const char *call) {
  pthread_mutex_lock(&lock);
  if (callCount < sizeof calls / sizeof *calls) calls[callCount++] = call;
  pthread_mutex_unlock(&lock);
}

// Copies up to capacity of the calls since the last call of this function, and returns their
// number.
size_t descent_calls(const char **names, size_t capacity) {
  pthread_mutex_lock(&lock);
  size_t count = callCount;
  memcpy(names, calls, (count < capacity ? count : capacity) * sizeof *names);
  callCount = 0;
  pthread_mutex_unlock(&lock);
  return count;
}

// By function; the names are constants.
static struct {
  const char *name;
  int calls;
} counts[64];

// Counts a call and returns its number, from 1.
static int counted(const char *function) {
  pthread_mutex_lock(&lock);
  int i = 0;
  while (counts[i].name && strcmp(counts[i].name, function) != 0) i++;
  counts[i].name = function;
  int number = ++counts[i].calls;
  pthread_mutex_unlock(&lock);
  return number;
}

// Whether the fault was made.
static int fired;

static void write_counts(void) {
  const char *path = getenv("DESCENT_CALL_COUNTS");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  for (int i = 0; counts[i].name; i++) fprintf(file, "%s %d\n", counts[i].name, counts[i].calls);
  fprintf(file, "fault %d\n", fired);
  fclose(file);
}

// MARK: Faults

enum outcome { PASS, REFUSE, FAIL_LATER, FAIL_NOW, SKIP, STICK };

// What is to become of a call, and with which status.
static enum outcome outcome(const char *function, cl_int *status) {
  const int number = counted(function);
  char name[64], how[16] = "";
  int nth = 0;
  const char *wanted = getenv("DESCENT_FAULT");
  if (!wanted || sscanf(wanted, "%63[^:,]", name) != 1 || strcmp(name, function) != 0) return PASS;
  const char *rest = wanted + strlen(name);
  if (*rest == ',') {
    if (sscanf(rest, ", %15[^:]", how) != 1) return PASS;
    rest = strchr(rest, ':');
  }
  if (!rest || sscanf(rest, ":%d:%d", &nth, status) != 2 || number != nth) return PASS;
  fired = 1;
  if (strcmp(how, "later") == 0) return FAIL_LATER;
  if (strcmp(how, "now") == 0) return FAIL_NOW;
  if (strcmp(how, "stuck") == 0) return STICK;
  return strcmp(how, "skipped") == 0 ? SKIP : REFUSE;
}

// A command that fails at the next flush or wait, and one that counts as complete.
static cl_event failing, skipped;
static cl_int failure;

static void fail_now(void) {
  cl_event event = failing;
  failing = NULL;
  if (!event) return;
  target->clSetUserEventStatus(event, failure);
  target->clReleaseEvent(event);
}

// In place of the command: an event that fails, or seems to be complete.
static cl_int fail_by_event(cl_command_queue queue, enum outcome how, cl_int status,
                            cl_bool blocking, cl_event *event) {
  if (blocking || !event) return status;
  cl_context context;
  cl_int called = target->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context,
                                                NULL);
  if (called == CL_SUCCESS) *event = target->clCreateUserEvent(context, &called);
  if (called != CL_SUCCESS) return called;
  if (how == FAIL_LATER) {
    failing = *event;
    failure = status;
    return target->clRetainEvent(failing);
  }
  if (how == STICK) return CL_SUCCESS;
  // Kept, so that no other event gets its address.
  if (how == SKIP) target->clRetainEvent(skipped = *event);
  return target->clSetUserEventStatus(*event, how == SKIP ? CL_COMPLETE : status);
}

// A function that is passed on, unless it is to fail. NAME is for the list, NULL for none.
#define STATUS_CALL(FUNCTION, NAME, PARAMETERS, ARGUMENTS)                              \
  static CL_API_ENTRY cl_int CL_API_CALL my_##FUNCTION PARAMETERS {                     \
    if (NAME) note(NAME);                                                               \
    cl_int wanted;                                                                      \
    return outcome(#FUNCTION, &wanted) == PASS ? target->FUNCTION ARGUMENTS : wanted;   \
  }

// The same for functions that return an object, with the status by their last argument.
#define OBJECT_CALL(TYPE, FUNCTION, NAME, PARAMETERS, ARGUMENTS)             \
  static CL_API_ENTRY TYPE CL_API_CALL my_##FUNCTION PARAMETERS {            \
    if (NAME) note(NAME);                                                    \
    cl_int wanted;                                                           \
    if (outcome(#FUNCTION, &wanted) == PASS) return target->FUNCTION ARGUMENTS; \
    if (status) *status = wanted;                                            \
    return NULL;                                                             \
  }

// The same for commands, which can also fail by their event.
#define COMMAND(FUNCTION, NAME, BLOCKS, PARAMETERS, ARGUMENTS)                        \
  static CL_API_ENTRY cl_int CL_API_CALL my_##FUNCTION PARAMETERS {                   \
    note(NAME);                                                                       \
    cl_int wanted;                                                                    \
    const enum outcome how = outcome(#FUNCTION, &wanted);                             \
    if (how == REFUSE) return wanted;                                                 \
    if (how != PASS) return fail_by_event(queue, how, wanted, BLOCKS, event);         \
    if (BLOCKS) fail_now();                                                           \
    return target->FUNCTION ARGUMENTS;                                                \
  }

#define BLOCKING(NAME) (blocking ? NAME ", blocking" : NAME)
#define LIST cl_uint count, const cl_event *list, cl_event *event

static long limit(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

static long group_limit(void) {
  const long kernel = limit("DESCENT_KERNEL_LIMIT"), device = limit("DESCENT_DEVICE_LIMIT");
  return kernel == 0 || (device != 0 && device < kernel) ? device : kernel;
}

static cl_int launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                     const size_t *offset, const size_t *global, const size_t *local, LIST) {
  size_t items = 1;
  for (cl_uint i = 0; local && i < dimensions; i++) items *= local[i];
  if (group_limit() != 0 && items > (size_t)group_limit()) return CL_INVALID_WORK_GROUP_SIZE;
  return target->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count,
                                        list, event);
}

static CL_API_ENTRY cl_int CL_API_CALL my_clEnqueueNDRangeKernel(
    cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, LIST) {
  note("clEnqueueNDRangeKernel");
  cl_int wanted;
  const enum outcome how = outcome("clEnqueueNDRangeKernel", &wanted);
  if (how == REFUSE) return wanted;
  if (how != PASS) return fail_by_event(queue, how, wanted, CL_FALSE, event);
  return launch(queue, kernel, dimensions, offset, global, local, count, list, event);
}

COMMAND(clEnqueueReadBuffer, BLOCKING("clEnqueueReadBuffer"), blocking,
        (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
         void *memory, LIST),
        (queue, buffer, blocking, offset, size, memory, count, list, event))
COMMAND(clEnqueueFillBuffer, "clEnqueueFillBuffer", CL_FALSE,
        (cl_command_queue queue, cl_mem buffer, const void *pattern, size_t patternSize,
         size_t offset, size_t size, LIST),
        (queue, buffer, pattern, patternSize, offset, size, count, list, event))
COMMAND(clEnqueueCopyBuffer, "clEnqueueCopyBuffer", CL_FALSE,
        (cl_command_queue queue, cl_mem from, cl_mem to, size_t fromOffset, size_t toOffset,
         size_t size, LIST),
        (queue, from, to, fromOffset, toOffset, size, count, list, event))
COMMAND(clEnqueueUnmapMemObject, "clEnqueueUnmapMemObject", CL_FALSE,
        (cl_command_queue queue, cl_mem buffer, void *mapped, LIST),
        (queue, buffer, mapped, count, list, event))
COMMAND(clEnqueueMarkerWithWaitList, "clEnqueueMarkerWithWaitList", CL_FALSE,
        (cl_command_queue queue, LIST), (queue, count, list, event))

// MARK: Writes that are late

static void *open_gate(void *gate) {
  usleep(20000);
  target->clSetUserEventStatus(gate, CL_COMPLETE);
  return NULL;
}

// Copies the source, as a blocking call has to, and lets the write begin some time later. The copy
// and the gate stay: it is not known here when they are free.
static cl_int write_late(cl_command_queue queue, cl_mem buffer, size_t offset, size_t size,
                         const void *memory, LIST) {
  cl_context context;
  cl_int status = target->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context,
                                                NULL);
  if (status != CL_SUCCESS) return status;
  cl_event events[8] = {target->clCreateUserEvent(context, &status)};
  void *copy = malloc(size);
  if (!copy || status != CL_SUCCESS || count > 7) return CL_OUT_OF_HOST_MEMORY;
  memcpy(copy, memory, size);
  if (count > 0) memcpy(events + 1, list, count * sizeof *list);
  status = target->clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size, copy, count + 1,
                                        events, event);
  pthread_t thread;
  if (status == CL_SUCCESS && pthread_create(&thread, NULL, open_gate, events[0]) != 0)
    return CL_OUT_OF_HOST_MEMORY;
  return status == CL_SUCCESS ? pthread_detach(thread) : status;
}

static CL_API_ENTRY cl_int CL_API_CALL my_clEnqueueWriteBuffer(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
    const void *memory, LIST) {
  note(BLOCKING("clEnqueueWriteBuffer"));
  cl_int wanted;
  const enum outcome how = outcome("clEnqueueWriteBuffer", &wanted);
  if (how == REFUSE) return wanted;
  if (how != PASS) return fail_by_event(queue, how, wanted, blocking, event);
  if (blocking) fail_now();
  cl_command_queue_properties properties = 0;
  target->clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
  if (blocking && properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE &&
      getenv("DESCENT_LATE_WRITES"))
    return write_late(queue, buffer, offset, size, memory, count, list, event);
  return target->clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, memory, count, list,
                                      event);
}

static CL_API_ENTRY void *CL_API_CALL my_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer,
                                                            cl_bool blocking, cl_map_flags flags,
                                                            size_t offset, size_t size, LIST,
                                                            cl_int *status) {
  note(BLOCKING("clEnqueueMapBuffer"));
  cl_int wanted;
  if (outcome("clEnqueueMapBuffer", &wanted) != PASS) {
    if (status) *status = wanted;
    return NULL;
  }
  if (blocking) fail_now();
  return target->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, count, list,
                                    event, status);
}

// MARK: Waits

static CL_API_ENTRY cl_int CL_API_CALL my_clFlush(cl_command_queue queue) {
  note("clFlush");
  cl_int status;
  if (outcome("clFlush", &status) != PASS) return status;
  status = target->clFlush(queue);
  fail_now();
  return status;
}

static CL_API_ENTRY cl_int CL_API_CALL my_clFinish(cl_command_queue queue) {
  note("clFinish, blocking");
  cl_int status;
  if (outcome("clFinish", &status) != PASS) return status;
  fail_now();
  return target->clFinish(queue);
}

// A wait for what is over does not block.
static int is_over(cl_event event) {
  cl_int status = CL_QUEUED;
  target->clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
  return status <= CL_COMPLETE;
}

static CL_API_ENTRY cl_int CL_API_CALL my_clWaitForEvents(cl_uint count, const cl_event *list) {
  int blocks = 0;
  for (cl_uint i = 0; i < count; i++) blocks |= !is_over(list[i]);
  note(blocks ? "clWaitForEvents, blocking" : "clWaitForEvents");
  cl_int status;
  if (outcome("clWaitForEvents", &status) != PASS) return status;
  if (blocks) fail_now();
  status = target->clWaitForEvents(count, list);
  for (cl_uint i = 0; i < count; i++)
    if (list[i] == skipped) status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  return status;
}

// MARK: Limits

static void lower(long limit, size_t size, void *value) {
  if (limit != 0 && value && size >= sizeof(size_t) && *(size_t *)value > (size_t)limit)
    *(size_t *)value = (size_t)limit;
}

static CL_API_ENTRY cl_int CL_API_CALL my_clGetDeviceInfo(cl_device_id device, cl_device_info name,
                                                          size_t size, void *value,
                                                          size_t *sizeReturned) {
  cl_int status;
  if (outcome("clGetDeviceInfo", &status) != PASS) return status;
  status = target->clGetDeviceInfo(device, name, size, value, sizeReturned);
  if (name == CL_DEVICE_MAX_WORK_GROUP_SIZE) lower(limit("DESCENT_DEVICE_LIMIT"), size, value);
  return status;
}

static CL_API_ENTRY cl_int CL_API_CALL my_clGetKernelWorkGroupInfo(
    cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info name, size_t size, void *value,
    size_t *sizeReturned) {
  cl_int status;
  if (outcome("clGetKernelWorkGroupInfo", &status) != PASS) return status;
  status = target->clGetKernelWorkGroupInfo(kernel, device, name, size, value, sizeReturned);
  if (name == CL_KERNEL_WORK_GROUP_SIZE) lower(group_limit(), size, value);
  return status;
}

// MARK: All others

#define INFO_CALL(FUNCTION, OBJECT)                                                     \
  STATUS_CALL(FUNCTION, NULL,                                                           \
              (OBJECT object, cl_uint name, size_t size, void *value, size_t *returned), \
              (object, name, size, value, returned))
INFO_CALL(clGetPlatformInfo, cl_platform_id)
INFO_CALL(clGetContextInfo, cl_context)
INFO_CALL(clGetCommandQueueInfo, cl_command_queue)
INFO_CALL(clGetMemObjectInfo, cl_mem)
INFO_CALL(clGetProgramInfo, cl_program)
INFO_CALL(clGetKernelInfo, cl_kernel)
INFO_CALL(clGetEventInfo, cl_event)
INFO_CALL(clGetEventProfilingInfo, cl_event)
STATUS_CALL(clGetPlatformIDs, NULL, (cl_uint count, cl_platform_id *platforms, cl_uint *found),
            (count, platforms, found))
STATUS_CALL(clGetDeviceIDs, NULL,
            (cl_platform_id platform, cl_device_type type, cl_uint count, cl_device_id *devices,
             cl_uint *found),
            (platform, type, count, devices, found))
STATUS_CALL(clGetProgramBuildInfo, NULL,
            (cl_program program, cl_device_id device, cl_program_build_info name, size_t size,
             void *value, size_t *returned),
            (program, device, name, size, value, returned))
STATUS_CALL(clSetKernelArg, NULL,
            (cl_kernel kernel, cl_uint index, size_t size, const void *value),
            (kernel, index, size, value))
STATUS_CALL(clRetainContext, NULL, (cl_context context), (context))
STATUS_CALL(clRetainCommandQueue, NULL, (cl_command_queue queue), (queue))
STATUS_CALL(clRetainMemObject, NULL, (cl_mem memory), (memory))
STATUS_CALL(clBuildProgram, "clBuildProgram, making",
            (cl_program program, cl_uint count, const cl_device_id *devices, const char *options,
             void(CL_CALLBACK *notify)(cl_program, void *), void *data),
            (program, count, devices, options, notify, data))
OBJECT_CALL(cl_context, clCreateContext, "clCreateContext, making",
            (const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
             void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
             cl_int *status),
            (properties, count, devices, notify, data, status))
OBJECT_CALL(cl_command_queue, clCreateCommandQueueWithProperties, "clCreateCommandQueue, making",
            (cl_context context, cl_device_id device, const cl_queue_properties *properties,
             cl_int *status),
            (context, device, properties, status))
OBJECT_CALL(cl_command_queue, clCreateCommandQueue, "clCreateCommandQueue, making",
            (cl_context context, cl_device_id device, cl_command_queue_properties properties,
             cl_int *status),
            (context, device, properties, status))
OBJECT_CALL(cl_mem, clCreateBuffer, "clCreateBuffer, making",
            (cl_context context, cl_mem_flags flags, size_t size, void *memory, cl_int *status),
            (context, flags, size, memory, status))
OBJECT_CALL(cl_mem, clCreateSubBuffer, "clCreateSubBuffer, making",
            (cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *region,
             cl_int *status),
            (buffer, flags, type, region, status))
OBJECT_CALL(cl_program, clCreateProgramWithSource, NULL,
            (cl_context context, cl_uint count, const char **texts, const size_t *lengths,
             cl_int *status),
            (context, count, texts, lengths, status))
OBJECT_CALL(cl_program, clCreateProgramWithBinary, NULL,
            (cl_context context, cl_uint count, const cl_device_id *devices, const size_t *lengths,
             const unsigned char **binaries, cl_int *binaryStatus, cl_int *status),
            (context, count, devices, lengths, binaries, binaryStatus, status))
OBJECT_CALL(cl_kernel, clCreateKernel, "clCreateKernel, making",
            (cl_program program, const char *name, cl_int *status), (program, name, status))

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void *value,
                                               size_t *sizeReturned) {
  static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  if (name != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
  if (value && size >= sizeof version) memcpy(value, &version, sizeof version);
  if (sizeReturned) *sizeReturned = sizeof version;
  return CL_SUCCESS;
}

#define EACH_FUNCTION(DO)                                                                    \
  DO(clEnqueueNDRangeKernel) DO(clEnqueueReadBuffer) DO(clEnqueueWriteBuffer)                \
  DO(clEnqueueFillBuffer) DO(clEnqueueCopyBuffer) DO(clEnqueueMapBuffer)                     \
  DO(clEnqueueUnmapMemObject) DO(clEnqueueMarkerWithWaitList) DO(clFlush) DO(clFinish)       \
  DO(clWaitForEvents) DO(clGetPlatformIDs) DO(clGetPlatformInfo) DO(clGetDeviceIDs)          \
  DO(clGetDeviceInfo) DO(clGetContextInfo) DO(clGetCommandQueueInfo) DO(clGetMemObjectInfo)  \
  DO(clGetProgramInfo) DO(clGetProgramBuildInfo) DO(clGetKernelInfo)                         \
  DO(clGetKernelWorkGroupInfo) DO(clGetEventInfo) DO(clGetEventProfilingInfo)                \
  DO(clSetKernelArg) DO(clRetainContext) DO(clRetainCommandQueue) DO(clRetainMemObject)      \
  DO(clBuildProgram) DO(clCreateContext) DO(clCreateCommandQueueWithProperties)              \
  DO(clCreateCommandQueue) DO(clCreateBuffer) DO(clCreateSubBuffer)                          \
  DO(clCreateProgramWithSource) DO(clCreateProgramWithBinary) DO(clCreateKernel)
#define INTERPOSE(FUNCTION) dispatch.FUNCTION = my_##FUNCTION;

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint entries,
                                            const struct _cl_icd_dispatch *targetDispatch,
                                            cl_uint *entriesReturned,
                                            const struct _cl_icd_dispatch **layerDispatch) {
  target = targetDispatch;
  size_t known = sizeof dispatch / sizeof(void *);
  memcpy(&dispatch, targetDispatch, (entries < known ? entries : known) * sizeof(void *));
  EACH_FUNCTION(INTERPOSE)
  if (getenv("DESCENT_CALL_COUNTS")) atexit(write_counts);
  *entriesReturned = entries < known ? entries : known;
  *layerDispatch = &dispatch;
  return CL_SUCCESS;
}
