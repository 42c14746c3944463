#if OpenCL
/// What an OpenCL driver answered when it refused.
///
/// `description` reads like
/// `clCreateBuffer(33554432 bytes on Iris Xe) returned CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)`;
/// a build log follows on lines of its own.
public struct OpenCLError: Error, Sendable, Equatable {
  /// The driver's code, negative; of a command that failed on the device, its execution status.
  public let status: Int32

  /// The call and what it was about, as in `clSetKernelArg(adam, argument 2)`.
  public let call: String

  /// What the compiler wrote where a build failed.
  public let log: String?

  /// Makes an error of a status that a call of the caller's own returned.
  public init(status: Int32, call: String, log: String? = nil) {
    self.status = status
    self.call = call
    self.log = log
  }

  /// The code's name in OpenCL's header, as in `CL_OUT_OF_RESOURCES`; `nil` for a code that is
  /// not in OpenCL 1.2 to 3.0.
  public var name: String? { Self.name(of: status) }
}

extension OpenCLError: CustomStringConvertible {
  /// The call, the code by name and number, and the log.
  public var description: String {
    let code = name.map { "\($0) (\(status))" } ?? "\(status)"
    let answer = "\(call) returned \(code)"
    return log.map { "\(answer):\n\($0)" } ?? answer
  }
}
#endif
