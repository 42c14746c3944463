#if OpenCL
import OpenCLHost
import Testing

@Suite(.enabled(if: hasDevice, noDevice)) struct ProgramTests {
  static let addOne = "kernel void addOne(global int *x) { x[get_global_id(0)] += ONE; }"

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aFailedBuildNamesFileLineAndCode(device: Device) throws {
    let context = try Context(device)
    let sources = [
      (name: "good.cl", text: "float twice(float x);\nfloat twice(float x) { return x + x; }"),
      (name: "bad.cl", text: "\n\nkernel void f(global float *x) { x[0] = x[0] +; }"),
    ]
    let error = try refusal {
      _ = try Program(context, sources: sources, options: "-DLANES=4")
    }
    #expect(error.name == "CL_BUILD_PROGRAM_FAILURE")
    let opening =
      "clBuildProgram(good.cl, bad.cl, -DLANES=4 on \(device.name)) returned "
      + "CL_BUILD_PROGRAM_FAILURE (-11):"
    #expect("\(error)".hasPrefix(opening + "\n"))
    #expect("\(error)".contains("bad.cl:3:"))
    #expect(!"\(error)".contains("good.cl:"))
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aNameMayHoldQuotes(device: Device) throws {
    let context = try Context(device)
    // Compilers differ in the names that a `#line` may contain.
    let source = (name: "a \"b\" \\c\n.cl", text: "kernel void f(global int *x) { x[0] = y; }")
    let error = try refusal { _ = try Program(context, sources: [source]) }
    #expect(error.log?.contains("a 'b' /c .cl:1:") == true, "\(error)")
  }

  @Test(arguments: Device.all)
  func warningsAreKept(device: Device) throws {
    let setup = try Setup(device)
    let quiet = try setup.program(Self.addOne, options: "-DONE=1")
    #expect(!quiet.buildLog.contains("careful"))
    let loud = try setup.program("#warning careful\n" + Self.addOne, options: "-DONE=1")
    #expect(loud.buildLog.contains("careful"))
  }

  @Test(arguments: Device.all)
  func kernelsAreFoundByName(device: Device) throws {
    let text = Self.addOne + "\nkernel void two(global int *x, int y) { x[0] = y; }"
    let program = try Setup(device).program(text, options: "-DONE=1")
    #expect(try Set(program.kernelNames) == ["addOne", "two"])
    let two = try program.kernel(named: "two")
    #expect(two.name == "two")
    #expect(two.argumentCount == 2)
    let error = try refusal { _ = try program.kernel(named: "three") }
    #expect("\(error)" == "clCreateKernel(three) returned CL_INVALID_KERNEL_NAME (-46)")
  }

  @Test(arguments: Device.all)
  func aBinaryRunsLikeItsSource(device: Device) throws {
    let setup = try Setup(device)
    let binary = try setup.program(Self.addOne, options: "-DONE=5").binary()
    #expect(!binary.isEmpty)
    let program = try Program(setup.context, binary: binary)
    let buffer = try Buffer<Int32>(setup.context, copying: [1, 2, 3])
    let kernel = try program.kernel(named: "addOne")
    try kernel.setArgument(0, buffer)
    try kernel.enqueue(on: setup.queue, global: 3)
    #expect(try buffer.read(on: setup.queue) == [6, 7, 8])
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aBinaryThatIsNoneIsRefused(device: Device) throws {
    let context = try Context(device)
    let error = try refusal { _ = try Program(context, binary: Array("nonsense".utf8)) }
    #expect(error.status < 0)
  }
}
#endif
