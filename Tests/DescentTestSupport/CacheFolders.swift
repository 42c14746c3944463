#if OpenCL
import Foundation
import OpenCLHost

/// Runs the body with a cache folder that is removed after it.
package func withCacheFolder(_ body: (CacheFolder) throws -> Void) throws {
  let path = FileManager.default.temporaryDirectory
    .appending(path: "descent-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: path) }
  try body(CacheFolder(path))
}

/// The same folder as the process's own: for exit tests, which have a process to themselves.
package func inCacheFolderOfItsOwn(_ body: (CacheFolder) throws -> Void) throws {
  try withCacheFolder {
    setenv("DESCENT_CACHE", $0.path, 1)
    try body($0)
  }
}

package func inCacheFolderOfItsOwn(_ body: () throws -> Void) throws {
  try inCacheFolderOfItsOwn { _ in try body() }
}
#endif
