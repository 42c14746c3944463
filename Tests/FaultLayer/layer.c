// An OpenCL layer that makes the nth call of one function fail, for tests of what a failure leaves
// behind, and that lists the calls it sees, for tests of what waits. OPENCL_LAYERS names the library;
// DESCENT_FAULT says FUNCTION:NTH:STATUS, with the nth call counted from 1 and all later ones passed on
// again. The list is read by descent_calls(), which a test finds in the loaded library.
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct _cl_icd_dispatch dispatch;
static const struct _cl_icd_dispatch *target;

// The status to fail with, or CL_SUCCESS for a call that is to be passed on.
static cl_int fault(const char *function) {
  static int calls;
  char name[64];
  int nth = 0, status = 0;
  const char *wanted = getenv("DESCENT_FAULT");
  if (!wanted || sscanf(wanted, "%63[^:]:%d:%d", name, &nth, &status) != 3) return CL_SUCCESS;
  if (strcmp(name, function) != 0) return CL_SUCCESS;
  return ++calls == nth ? status : CL_SUCCESS;
}

// What was called, in order; names are constants.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *calls[1 << 16];
static size_t callCount;

static void note(const char *call) {
  pthread_mutex_lock(&lock);
  if (callCount < sizeof calls / sizeof *calls) calls[callCount++] = call;
  pthread_mutex_unlock(&lock);
}

// Copies up to capacity of the calls since the last call of this function, and says how many there were.
size_t descent_calls(const char **names, size_t capacity) {
  pthread_mutex_lock(&lock);
  size_t count = callCount;
  memcpy(names, calls, (count < capacity ? count : capacity) * sizeof *names);
  callCount = 0;
  pthread_mutex_unlock(&lock);
  return count;
}

// A function of the layer that notes the call and passes it on, unless it is to fail.
#define STATUS_CALL(FUNCTION, NAME, PARAMETERS, ARGUMENTS)            \
  static CL_API_ENTRY cl_int CL_API_CALL my_##FUNCTION PARAMETERS {   \
    note(NAME);                                                       \
    cl_int wanted = fault(#FUNCTION);                                 \
    return wanted == CL_SUCCESS ? target->FUNCTION ARGUMENTS : wanted; \
  }

// The same for functions that return an object, with the status by their last argument.
#define OBJECT_CALL(TYPE, FUNCTION, NAME, PARAMETERS, ARGUMENTS)    \
  static CL_API_ENTRY TYPE CL_API_CALL my_##FUNCTION PARAMETERS {   \
    note(NAME);                                                     \
    cl_int wanted = fault(#FUNCTION);                               \
    if (wanted == CL_SUCCESS) return target->FUNCTION ARGUMENTS;    \
    if (status) *status = wanted;                                   \
    return NULL;                                                    \
  }

#define BLOCKING(NAME) (blocking ? NAME ", blocking" : NAME)

// A launch can also fail later, by its event, as "clEnqueueNDRangeKernel, later": at the next flush.
static cl_event failing;
static cl_int failure;

static CL_API_ENTRY cl_int CL_API_CALL my_clEnqueueNDRangeKernel(
    cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, cl_uint count, const cl_event *list,
    cl_event *event) {
  note("clEnqueueNDRangeKernel");
  cl_int wanted = fault("clEnqueueNDRangeKernel");
  if (wanted != CL_SUCCESS) return wanted;
  cl_int later = fault("clEnqueueNDRangeKernel, later");
  if (later == CL_SUCCESS || !event)
    return target->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count,
                                          list, event);
  cl_context context;
  cl_int status = target->clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context,
                                                NULL);
  if (status == CL_SUCCESS) *event = target->clCreateUserEvent(context, &status);
  if (status != CL_SUCCESS) return status;
  failing = *event;
  failure = later;
  return target->clRetainEvent(failing);
}

static CL_API_ENTRY cl_int CL_API_CALL my_clFlush(cl_command_queue queue) {
  note("clFlush");
  cl_int status = fault("clFlush");
  if (status != CL_SUCCESS) return status;
  status = target->clFlush(queue);
  if (!failing) return status;
  cl_event event = failing;
  failing = NULL;
  target->clSetUserEventStatus(event, failure);
  target->clReleaseEvent(event);
  return status;
}
STATUS_CALL(clEnqueueReadBuffer, BLOCKING("clEnqueueReadBuffer"),
            (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
             void *memory, cl_uint count, const cl_event *list, cl_event *event),
            (queue, buffer, blocking, offset, size, memory, count, list, event))
STATUS_CALL(clEnqueueWriteBuffer, BLOCKING("clEnqueueWriteBuffer"),
            (cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
             const void *memory, cl_uint count, const cl_event *list, cl_event *event),
            (queue, buffer, blocking, offset, size, memory, count, list, event))
OBJECT_CALL(void *, clEnqueueMapBuffer, BLOCKING("clEnqueueMapBuffer"),
            (cl_command_queue queue, cl_mem buffer, cl_bool blocking, cl_map_flags flags,
             size_t offset, size_t size, cl_uint count, const cl_event *list, cl_event *event,
             cl_int *status),
            (queue, buffer, blocking, flags, offset, size, count, list, event, status))
STATUS_CALL(clFinish, "clFinish, blocking", (cl_command_queue queue), (queue))
STATUS_CALL(clWaitForEvents, "clWaitForEvents, blocking", (cl_uint count, const cl_event *list),
            (count, list))
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
OBJECT_CALL(cl_mem, clCreateBuffer, "clCreateBuffer, making",
            (cl_context context, cl_mem_flags flags, size_t size, void *memory, cl_int *status),
            (context, flags, size, memory, status))
OBJECT_CALL(cl_mem, clCreateSubBuffer, "clCreateSubBuffer, making",
            (cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void *region,
             cl_int *status),
            (buffer, flags, type, region, status))
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

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint entries,
                                            const struct _cl_icd_dispatch *targetDispatch,
                                            cl_uint *entriesReturned,
                                            const struct _cl_icd_dispatch **layerDispatch) {
  target = targetDispatch;
  size_t known = sizeof dispatch / sizeof(void *);
  memcpy(&dispatch, targetDispatch, (entries < known ? entries : known) * sizeof(void *));
  dispatch.clEnqueueNDRangeKernel = my_clEnqueueNDRangeKernel;
  dispatch.clEnqueueReadBuffer = my_clEnqueueReadBuffer;
  dispatch.clEnqueueWriteBuffer = my_clEnqueueWriteBuffer;
  dispatch.clEnqueueMapBuffer = my_clEnqueueMapBuffer;
  dispatch.clFlush = my_clFlush;
  dispatch.clFinish = my_clFinish;
  dispatch.clWaitForEvents = my_clWaitForEvents;
  dispatch.clBuildProgram = my_clBuildProgram;
  dispatch.clCreateContext = my_clCreateContext;
  dispatch.clCreateCommandQueueWithProperties = my_clCreateCommandQueueWithProperties;
  dispatch.clCreateBuffer = my_clCreateBuffer;
  dispatch.clCreateSubBuffer = my_clCreateSubBuffer;
  dispatch.clCreateKernel = my_clCreateKernel;
  *entriesReturned = entries < known ? entries : known;
  *layerDispatch = &dispatch;
  return CL_SUCCESS;
}
