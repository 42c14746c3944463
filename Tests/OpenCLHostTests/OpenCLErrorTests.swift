#if OpenCL
import Testing

@testable import OpenCLHost

@Suite struct OpenCLErrorTests {
  @Test func describesTheCallAndTheCode() {
    let error = OpenCLError(status: -4, call: "clCreateBuffer(33554432 bytes on Iris)")
    #expect(
      "\(error)"
        == "clCreateBuffer(33554432 bytes on Iris) returned CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)"
    )
  }

  @Test func showsTheLogBelow() {
    let error = OpenCLError(status: -11, call: "clBuildProgram(adam.cl, -DN=4)", log: "x\ny")
    #expect(
      "\(error)"
        == "clBuildProgram(adam.cl, -DN=4) returned CL_BUILD_PROGRAM_FAILURE (-11):\nx\ny")
  }

  @Test func printsTheNumberOfAnUnknownCode() {
    let error = OpenCLError(status: -9999, call: "clFinish(Iris)")
    #expect(error.name == nil)
    #expect("\(error)" == "clFinish(Iris) returned -9999")
  }

  // The specification's numbers, typed in again: a name with the wrong constant fails here.
  @Test(arguments: [
    (0, "CL_SUCCESS"), (-1, "CL_DEVICE_NOT_FOUND"), (-2, "CL_DEVICE_NOT_AVAILABLE"),
    (-3, "CL_COMPILER_NOT_AVAILABLE"), (-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"),
    (-5, "CL_OUT_OF_RESOURCES"), (-6, "CL_OUT_OF_HOST_MEMORY"),
    (-7, "CL_PROFILING_INFO_NOT_AVAILABLE"), (-8, "CL_MEM_COPY_OVERLAP"),
    (-11, "CL_BUILD_PROGRAM_FAILURE"), (-12, "CL_MAP_FAILURE"),
    (-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"), (-15, "CL_COMPILE_PROGRAM_FAILURE"),
    (-19, "CL_KERNEL_ARG_INFO_NOT_AVAILABLE"), (-30, "CL_INVALID_VALUE"),
    (-33, "CL_INVALID_DEVICE"), (-42, "CL_INVALID_BINARY"), (-46, "CL_INVALID_KERNEL_NAME"),
    (-52, "CL_INVALID_KERNEL_ARGS"), (-54, "CL_INVALID_WORK_GROUP_SIZE"),
    (-61, "CL_INVALID_BUFFER_SIZE"), (-63, "CL_INVALID_GLOBAL_WORK_SIZE"),
    (-68, "CL_INVALID_DEVICE_PARTITION_COUNT"), (-69, "CL_INVALID_PIPE_SIZE"),
    (-71, "CL_INVALID_SPEC_ID"), (-72, "CL_MAX_SIZE_RESTRICTION_EXCEEDED"),
    (-1001, "CL_PLATFORM_NOT_FOUND_KHR"),
  ])
  func codesHaveTheirNames(status: Int32, name: String) {
    #expect(OpenCLError.name(of: status) == name)
  }

  @Test func everyCodeOfTheSpecificationIsNamed() {
    let codes = Set((-72 ... -30).map(Int32.init)).union((-19...0).map(Int32.init))
    #expect(codes.filter { OpenCLError.name(of: $0) == nil } == [])
    #expect(Set(codes.map { OpenCLError.name(of: $0) }).count == codes.count)
  }

  @Test func aCallThatSucceedsBuildsNoString() throws {
    var built = 0
    func call() -> String {
      built += 1
      return "a call"
    }
    try check(0, call())
    #expect(built == 0)
    #expect(throws: OpenCLError(status: -5, call: "a call")) { try check(-5, call()) }
    #expect(built == 1)
  }

  @Test(arguments: [
    (
      OpenCLUsageError.negative(what: "a buffer's count", value: -1),
      "a buffer's count is -1, but cannot be negative"
    ),
    (
      .rangeOutsideBuffer(offset: 3, count: 8, available: 10),
      "8 elements from 3 are not within a buffer of 10"
    ),
    (
      .otherContext(what: "queue", than: "buffer"),
      "the queue belongs to another context than the buffer"
    ),
    (
      .noSuchArgument(index: 4, kernel: "adam", argumentCount: 4),
      "kernel adam has no argument 4: it has 4, counted from 0"
    ),
  ])
  func mistakesAreDescribed(error: OpenCLUsageError, description: String) {
    #expect("\(error)" == description)
  }
}
#endif
