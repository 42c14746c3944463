import Descent
import Foundation
import Safetensors

/// The checkpoint of a training run: that of the optimizer with the parameters and, in its metadata
/// under `train`, the values that determine the order of the examples.
///
/// The order itself need not be saved: it follows from the seed and the number of steps taken.
package struct TrainingCheckpoint {
  package let path: String
  /// The number of steps between saves; nil saves after each epoch.
  package var interval: Int?
  /// Whether to resume from the file, if there is one.
  package var resumes = false

  package init(path: String, interval: Int? = nil, resumes: Bool = false) {
    (self.path, self.interval, self.resumes) = (path, interval, resumes)
  }

  /// The settings that must not change when a run is resumed, and the losses so far.
  package struct Run: Codable, Equatable {
    package var data: String
    package var seed: UInt64
    package var batch: Int
    package var hidden: Int
    package var losses: [Double]
  }

  package static let key = "train"

  /// Whether the path names something that is not a file: a folder, a device, a pipe.
  package var isNoFile: Bool {
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: URL(filePath: path).resolvingSymlinksInPath().path)
    guard let type = attributes?[.type] as? FileAttributeType else { return false }
    return type != .typeRegular
  }

  /// Whether there is a checkpoint to resume from.
  package var exists: Bool {
    let index = path + ".index.json"
    return FileManager.default.fileExists(atPath: path)
      || FileManager.default.fileExists(atPath: index)
  }

  /// Throws ``Mismatch`` if there is no such folder, before hours are spent on what should be saved
  /// in it.
  package func checkFolder() throws {
    let folder = URL(filePath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue
    else { throw Mismatch(path: path, reason: "there is no folder \(folder)") }
  }

  package func save(_ optimizer: Optimizer, _ parameters: [Float], _ run: Run) throws {
    let text = String(decoding: try JSONEncoder.anyNumber(.sortedKeys).encode(run), as: UTF8.self)
    try optimizer.save(to: path, parameters: parameters, metadata: [Self.key: text])
  }

  /// Loads the checkpoint, and returns the losses of the completed epochs. Throws ``Mismatch`` for
  /// the file of another run.
  package func load(
    into optimizer: Optimizer, _ parameters: inout [Float], as run: Run
  ) throws -> [Double] {
    let checkpoint = try Checkpoint(path)
    // Checked first: Foundation hashes keys of any kind, which for some takes quadratic time.
    guard let text = checkpoint.metadata[Self.key], (try? JSONValue(text)) != nil,
      let saved = try? JSONDecoder.anyNumber.decode(Run.self, from: Data(text.utf8))
    else {
      throw Mismatch(path: path, reason: "no run of `descent train` has written it")
    }
    // The seed is compared first, since it determines the examples.
    for (what, old, new) in [
      ("--seed", "\(saved.seed)", "\(run.seed)"), ("--batch", "\(saved.batch)", "\(run.batch)"),
      ("--hidden", "\(saved.hidden)", "\(run.hidden)"),
    ] where old != new {
      throw Mismatch(path: path, reason: "the run in it has \(what) \(old), not \(new)")
    }
    if saved.data != run.data {
      throw Mismatch(path: path, reason: "the run in it has other examples (--data)")
    }
    if let rule = checkpoint.status?.rule, AnyHashable(rule) != AnyHashable(optimizer.rule) {
      throw Mismatch(
        path: path,
        reason: "the run in it has the rule \(type(of: rule).name) at a rate of "
          + "\(rule.learningRate), not \(type(of: optimizer.rule).name) at "
          + "\(optimizer.rule.learningRate) (--rule, --learning-rate)")
    }
    try optimizer.load(from: checkpoint, parameters: &parameters)
    return saved.losses
  }

  package struct Mismatch: Error, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "\(path): \(reason)" }
  }
}
