import Descent
import Foundation
import Safetensors

extension Error {
  /// What the operating system said, such as "No such file or directory".
  ///
  /// Foundation wraps it in errors of its own, whose descriptions name no cause.
  package var systemReason: String {
    if let error = self as? SafetensorsError { return "\(error)" }
    let error = ((self as? CocoaError)?.underlying ?? self) as NSError
    guard error.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
    return String(cString: strerror(Int32(error.code)))
  }
}
