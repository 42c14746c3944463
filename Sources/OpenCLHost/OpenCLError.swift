#if OpenCL
/// An error that an OpenCL driver returned.
///
/// `description` reads like
/// `clCreateBuffer(33554432 bytes on Iris Xe) returned CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)`;
/// a build log follows on lines of its own.
public struct OpenCLError: Error, Sendable, Equatable {
  /// The driver's code, which is negative; for a command that failed on the device, its execution
  /// status.
  public let status: Int32

  /// The call and its subject, as in `clSetKernelArg(adam, argument 2)`.
  public let call: String

  /// The compiler's messages if a build failed.
  public let log: String?

  /// Makes an error from a status that a call of your own returned.
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
