import Foundation
import Testing

@testable import Descent

/// The documentation says what is so.
@Suite struct DocumentationTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardizedFileURL

  private func text(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
  }

  @Test(
    "the README's examples are the snippets that are compiled",
    arguments: ["Quickstart", "WholeModel", "Model", "Resume", "DeviceMemory"])
  func example(_ name: String) throws {
    // The condition is this package's own; a reader's package has none of that name.
    let snippet = try text("Snippets/\(name).swift")
      .replacingOccurrences(of: "\n#if OpenCL\n", with: "")
      .replacingOccurrences(of: "#endif\n", with: "")
    #expect(try text("README.md").contains("```swift\n\(snippet)```"))
  }

  @Test("so is OpenCLHost's")
  func hostExample() throws {
    let snippet = try text("Snippets/Scale.swift")
      .replacingOccurrences(of: "#if OpenCL\n// snippet.scale\n", with: "")
      .replacingOccurrences(of: "// snippet.end\n#endif\n", with: "")
    #expect(try text("Sources/OpenCLHost/README.md").contains("```swift\n\(snippet)```"))
  }

  @Test("so is Safetensors'")
  func safetensorsExample() throws {
    let snippet = try text("Snippets/Tensors.swift")
    #expect(try text("Sources/Safetensors/README.md").contains("```swift\n\(snippet)```"))
  }

  @Test("the tutorial shows snippets, which are compiled", arguments: 1...4)
  func tutorial(_ number: Int) throws {
    let name = "Tutorial\(number).swift"
    let catalog = "Sources/Descent/Descent.docc"
    #expect(
      try text("\(catalog)/Tutorials/Getting-Started.tutorial").contains("file: \"\(name)\""))
    // A link that leads nowhere is no warning of DocC's.
    #expect(try text("\(catalog)/Resources/\(name)") == text("Snippets/\(name)"))
  }

  @Test("every rule has its row in the README, with its states, and its kernel file")
  func rows() throws {
    let readme = try text("README.md")
    for type in Rules.all {
      let row = try #require(
        readme.split(separator: "\n").first { $0.hasPrefix("| `\(type)` |") }, "\(type)")
      let bytes = Set(type.variants.map { $0.rule.bytesPerElement })
      if bytes.count == 1, let bytes = bytes.first {
        #expect(row.contains("| \(bytes) |"), "\(type)'s bytes")
      }
      for state in Set(type.variants.flatMap { $0.rule.stateNames }) {
        #expect(row.contains("`\(state)`"), "\(type)")
      }
      #expect(throws: Never.self) { try text("Sources/Descent/Rules/\(type).swift") }
    }
  }
}
