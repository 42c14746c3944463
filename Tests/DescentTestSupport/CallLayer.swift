#if OpenCL
import Foundation
import OpenCLHost
import Testing

/// Tests/FaultLayer between the loader and the driver: it makes calls fail, and lists them. For
/// processes of a test's own, since a layer is loaded once, by the first call.
package enum CallLayer {
  /// The library, compiled once.
  package static let library = Result {
    let source = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../FaultLayer/layer.c").standardizedFileURL
    let library = FileManager.default.temporaryDirectory
      .appending(path: "descent-fault-\(ProcessInfo.processInfo.processIdentifier).so")
    for compiler in ["clang", "cc"] {
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = [compiler, "-shared", "-fPIC", source.path, "-o", library.path]
      try process.run()
      process.waitUntilExit()
      if process.terminationStatus == 0 { return library.path }
    }
    throw CocoaError(.executableNotLoadable)
  }

  /// Before the first call: has the loader take the layer, and fail as `fault` says. Further
  /// settings are the layer's variables.
  package static func load(
    _ library: String, fault: String? = nil, _ settings: [String: String] = [:]
  ) {
    setenv("OPENCL_LAYERS", library, 1)
    if let fault { setenv("DESCENT_FAULT", fault, 1) }
    for (name, value) in settings { setenv(name, value, 1) }
  }

  /// The process, which is a test's own, ends with a signal if it hangs.
  package static func endIfHung() { alarm(300) }
}

/// The calls that the layer sees.
package struct CallList {
  package typealias Calls =
    @convention(c) (UnsafeMutablePointer<UnsafePointer<CChar>?>?, Int) -> Int

  private let calls: Calls

  /// - Parameter library: the layer, which a first call has loaded.
  package init(_ library: String) throws {
    let loaded = try #require(dlopen(library, RTLD_NOW | RTLD_NOLOAD), "the layer was not loaded")
    let function = try #require(dlsym(loaded, "descent_calls"))
    calls = unsafeBitCast(function, to: Calls.self)
  }

  /// What was called since the last time.
  package func take() throws -> [String] {
    let capacity = 1 << 16
    var names = [UnsafePointer<CChar>?](repeating: nil, count: capacity)
    let count = calls(&names, capacity)
    try #require(count < capacity)
    return names[..<count].compactMap { $0.map { String(cString: $0) } }
  }
}
#endif
