import Descent
import Foundation
import Safetensors

extension Error {
  /// The operating system's message, such as "No such file or directory".
  ///
  /// Foundation wraps it in its own errors, whose descriptions do not contain the cause.
  package var systemReason: String {
    if let error = self as? SafetensorsError { return "\(error)" }
    let error = ((self as? CocoaError)?.underlying ?? self) as NSError
    guard error.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
    return String(cString: strerror(Int32(error.code)))
  }
}
