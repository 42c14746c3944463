// An OpenCL layer that makes the nth call of one function fail, for tests of what a failure leaves
// behind. OPENCL_LAYERS names the library; DESCENT_FAULT says FUNCTION:NTH:STATUS, with the nth
// call counted from 1 and all later ones passed on again.
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>
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

static CL_API_ENTRY cl_int CL_API_CALL launch(
    cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
    const size_t *global, const size_t *local, cl_uint count, const cl_event *list,
    cl_event *event) {
  cl_int status = fault("clEnqueueNDRangeKernel");
  if (status != CL_SUCCESS) return status;
  return target->clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count,
                                        list, event);
}

static CL_API_ENTRY void *CL_API_CALL mapBuffer(
    cl_command_queue queue, cl_mem buffer, cl_bool blocking, cl_map_flags flags, size_t offset,
    size_t size, cl_uint count, const cl_event *list, cl_event *event, cl_int *status) {
  cl_int wanted = fault("clEnqueueMapBuffer");
  if (wanted == CL_SUCCESS)
    return target->clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, count, list,
                                      event, status);
  if (status) *status = wanted;
  return NULL;
}

static CL_API_ENTRY cl_context CL_API_CALL createContext(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
    cl_int *status) {
  cl_int wanted = fault("clCreateContext");
  if (wanted == CL_SUCCESS)
    return target->clCreateContext(properties, count, devices, notify, data, status);
  if (status) *status = wanted;
  return NULL;
}

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
  dispatch.clEnqueueNDRangeKernel = launch;
  dispatch.clEnqueueMapBuffer = mapBuffer;
  dispatch.clCreateContext = createContext;
  *entriesReturned = entries < known ? entries : known;
  *layerDispatch = &dispatch;
  return CL_SUCCESS;
}
