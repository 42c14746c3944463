#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The text of an OpenCL program: types.h and other files of Kernels/ in order, and what the
/// compiler is to define.
package struct ProgramText {
  /// A file of a program.
  package struct File: Sendable {
    /// As the compiler's messages say it.
    let name: String
    let text: String

    package init(name: String, text: String) { (self.name, self.text) = (name, text) }
  }

  /// As log messages say it.
  let name: String
  private(set) var files: [File]
  private let defines: [String]

  /// - Parameters:
  ///   - files: what follows types.h.
  ///   - defines: macros, as in `LANES=4`.
  package init(_ name: String, _ files: [File], defines: [String]) {
    (self.name, self.defines) = (name, defines)
    self.files = [.types] + files
  }

  mutating func append(_ file: File) { files.append(file) }

  /// Returns the program for a context's device: from the context's cache, loaded from the cache
  /// folder, or built. The last two are logged at debug.
  package func make(in context: Context, logger: Logger? = nil) throws -> Program {
    var options = (["-cl-std=CL1.2"] + defines.map { "-D\($0)" }).joined(separator: " ")
    if context.device.hasCorrectlyRoundedDivideAndSquareRoot {
      options += " -cl-fp32-correctly-rounded-divide-sqrt"
    }
    return try Program.cached(
      context, sources: files.map { ($0.name, $0.text) }, options: options
    ) {
      logger?.program(name, $0, options: options)
    }
  }
}

extension ProgramText.File {
  static let types = file("types.h", \.types)
  package static let lanes = file("lanes.cl", \.lanes)
  static let storage = file("storage.cl", \.storage)
  static let elements = file("elements.cl", \.elements)
  package static let states = file("states.cl", \.states)
  static let beside = file("beside.cl", \.beside)
  static let prepare = file("prepare.cl", \.prepare)
  static let update = file("update.cl", \.update)
  static let accumulate = file("accumulate.cl", \.accumulate)
  static let norm = file("norm.cl", \.norm)
  static let itemTile = file("item_tile.cl", \.itemTile)
  static let normKernels = file("norm_kernels.cl", \.normKernels)

  static let matrix = file("matrix.cl", \.matrix)
  static let matrixKernels = file("matrix_kernels.cl", \.matrixKernels)

  static func rule(_ rule: CompiledRule) -> Self { Self(name: rule.file, text: rule.text) }

  private static func file(
    _ name: String, _ text: KeyPath<descent_texts, UnsafePointer<CChar>?>
  ) -> Self {
    Self(name: name, text: descent_program_texts()[keyPath: text].map { String(cString: $0) } ?? "")
  }
}

extension ElementType {
  /// What kernels over one vector of the type are built with.
  var defines: [String] { self == .float32 ? [] : ["TYPE=\(code)"] }
}

extension LaunchShape {
  /// What kernels of this shape are built with.
  package var defines: [String] { ["LANES=\(lanes)", "GROUP=\(groupSize)"] }
}
#endif
