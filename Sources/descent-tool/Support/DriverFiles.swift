#if OpenCL
import Foundation
import OpenCLHost

/// What OpenCL's loader was given to load, for hints where a driver is missing: the loader drops in
/// silence what it cannot load.
struct DriverFiles {
  /// A file NAME.icd, whose first line names a library, or a folder of them.
  let path: String

  /// The paths that the loaders search: ocl-icd and Khronos'.
  static var ofLoader: DriverFiles {
    let names = ["OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"]
    let chosen = names.lazy.compactMap { ProcessInfo.processInfo.environment[$0] }
    return DriverFiles(path: chosen.first { !$0.isEmpty } ?? "/etc/OpenCL/vendors")
  }

  /// A sentence for each thing that keeps devices away, none where there is nothing to say.
  func hints(_ platforms: [Platform], _ devices: [Device]) -> [String] {
    var hints = platforms.filter { platform in !devices.contains { $0.platform == platform } }
      .map { "The platform \($0.name) has no device." }
    if platforms.isEmpty {
      let registered = files.isEmpty ? "none is registered" : "\(files.count) registered"
      hints.append(
        "No OpenCL driver was found. The loader looks for files NAME.icd in \(path): \(registered)."
      )
    }
    return hints + failures
  }

  private var files: [String] {
    guard !path.hasSuffix(".icd") else { return [path] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasSuffix(".icd") }.sorted().map { "\(path)/\($0)" }
  }

  /// The drivers that cannot be loaded, and why.
  private var failures: [String] {
    files.compactMap { file in
      guard let text = try? String(contentsOfFile: file, encoding: .utf8),
        let line = text.split(separator: "\n").first
      else { return "\(file) names no library." }
      let library = line.trimmingCharacters(in: .whitespaces)
      // As the loader does; a library that it has loaded is loaded no second time.
      guard dlopen(library, RTLD_LAZY | RTLD_LOCAL) == nil else { return nil }
      let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
      return "The driver of \(file) cannot be loaded: \(reason). `ldd \(library)` lists what is "
        + "missing; OCL_ICD_DEBUG=7 shows the loader's steps."
    }
  }
}
#endif
