import Foundation
import Safetensors

/// A new folder, which is removed with all it holds after the body has run.
package func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("descent-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

/// The names in a folder, sorted.
package func folderContents(_ folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// Writes tensors of the type F32 in one go.
package func saveTensors(
  _ path: String, _ values: [(name: String, shape: [Int], values: [Float])],
  metadata: [String: String] = [:], shardSize: Int = .max
) throws {
  let writer = try SafetensorsWriter(
    path, tensors: values.map { try SafetensorsTensor($0.name, shape: $0.shape) },
    metadata: metadata, shardSize: shardSize)
  for (name, _, values) in values { try writer.append(values, to: name) }
  try writer.commit()
}

/// The folder with what other libraries computed.
package let goldensFolder = URL(filePath: #filePath).deletingLastPathComponent()
  .appending(path: "../DescentTests/Goldens").standardizedFileURL.path

/// The handwritten digits of the examples.
package let digitsPath = URL(filePath: #filePath).deletingLastPathComponent()
  .appending(path: "../../Examples/data/digits.csv").standardizedFileURL.path
