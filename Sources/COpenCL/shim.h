// The system's OpenCL for Swift. 1.2 devices are served too: the host asks a device's version
// before it calls anything newer.
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
