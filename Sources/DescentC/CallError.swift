internal import CDescent
internal import Descent

/// Errors that only a caller from C can make.
enum CallError: Error, CustomStringConvertible {
  case null(String)
  case count(UInt)

  var description: String {
    switch self {
    case .null(let what): "\(what) is null"
    case .count(let count): "count is \(count); memory has not so many floats"
    }
  }
}

/// Runs `body` and returns the status code. On failure the message is stored for `descent_error`.
func status(_ body: () throws -> Void) -> CInt {
  do {
    try body()
    return CInt(DESCENT_OK)
  } catch {
    return failed(error)
  }
}

/// The same for functions that return a handle.
func orNil(_ body: () throws -> OpaquePointer) -> OpaquePointer? {
  do {
    return try body()
  } catch {
    _ = failed(error)
    return nil
  }
}

private func failed(_ error: any Error) -> CInt {
  descent_set_error("\(error)")
  return switch error as? DescentError {
  case .unknown: CInt(DESCENT_UNKNOWN_NAME)
  case .hyperparameter, .combination: CInt(DESCENT_WRONG_VALUE)
  default: CInt(DESCENT_WRONG_ARGUMENT)
  }
}

/// A caller's C string; throws for a null pointer.
func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(CallError) -> String {
  guard let pointer else { throw CallError.null(what) }
  return String(cString: pointer)
}
