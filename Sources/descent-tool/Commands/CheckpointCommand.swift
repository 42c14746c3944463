import ArgumentParser
import Descent
import Foundation
import Safetensors

struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract:
      "Look into, check and convert files with a model's parameters and an optimizer's state.",
    discussion: """
      A FILE is a safetensors file, or the index or the common name of a set of shards: a \
      checkpoint of this package, one that Examples/pytorch has made of a PyTorch optimizer, or \
      any model's.
      """,
    subcommands: [
      InspectCommand.self, VerifyFileCommand.self, ConvertCommand.self, StepCommand.self,
    ])
}

extension CheckpointCommand {
  struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "inspect",
      abstract: "Say what is in a file: rule, steps, groups, tensors.",
      discussion: """
        Reads headers alone; `verify` reads everything.

        JSON: results of one file, naming, rule, steps, skipped, groups, parameters, bytes, \
        tensors, metadata. rule has name and hyperparameters; groups have name, steps, tensors, \
        elements, learningRateFactor, weightDecay, frozen; tensors have name, type, shape, bytes, \
        checksum. Where the file has no optimizer, naming, rule, steps, skipped and groups are \
        left out. unreadable, if there is one, has the reason for each tensor that cannot be read.
        """)

    @Argument(help: "The file.", completion: .file(extensions: ["safetensors", "json"]))
    var file: String

    @OptionGroup var json: JSONOption

    func run() throws {
      let checkpoint = try Checkpoint(file)
      let console = json.console
      let contents = try Contents(checkpoint)
      for line in contents.lines(checkpoint) { try console.print(line) }
      if let table = contents.groupTable {
        try console.print()
        try console.print(table)
      }
      try console.print()
      try console.print(contents.tensorTable)
      try json.write([contents], of: "checkpoint inspect")
    }
  }

  struct VerifyFileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "verify",
      abstract: "Read files whole, and compare every tensor with its checksum.",
      discussion: """
        Also names, shapes, the rule and the counts are checked, as before a file is loaded. Files \
        of other programs have no checksums; their tensors are counted as unchecked. Tensors of a \
        type that is not known are counted as unreadable.

        JSON: results of file, whole, tensors, unchecked, unreadable, bytes, error.

        Exit status 1 if one is not whole.
        """)

    @Argument(help: "The files.", completion: .file(extensions: ["safetensors", "json"]))
    var files: [String]

    @OptionGroup var json: JSONOption

    func run() throws {
      var results: [Result] = []
      for file in files {
        var result = Result(file: file)
        let words: String
        do {
          let checkpoint = try Checkpoint(file)
          result.tensors = checkpoint.reader.tensors.count
          result.bytes = checkpoint.reader.tensors.reduce(0) { $0 + $1.byteCount }
          result.unchecked = try checkpoint.reader.tensors.count {
            try checkpoint.reader.file(of: $0.name).checksum(of: $0.name) == nil
          }
          result.unreadable = checkpoint.reader.unreadable.count
          try checkpoint.verify()
          result.whole = true
          let unchecked = result.unchecked > 0 ? ", \(result.unchecked) without a checksum" : ""
          let unreadable = result.unreadable > 0 ? ", \(result.unreadable) unreadable" : ""
          words =
            "whole, \(result.tensors) tensors, \(result.bytes) bytes\(unchecked)\(unreadable)"
        } catch {
          result.error = "\(error)"
          words = "not whole: \(error)"
        }
        try json.console.print("\(file): \(words)")
        results.append(result)
      }
      try json.write(results, of: "checkpoint verify")
      if results.contains(where: { !$0.whole }) { throw ExitCode.failure }
    }

    struct Result: Encodable {
      let file: String
      var whole = false
      var tensors = 0
      var unchecked = 0
      var unreadable = 0
      var bytes = 0
      var error: String?
    }
  }

  struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "convert",
      abstract: "Write a file again: under PyTorch's names or this package's, whole or in shards.",
      discussion: """
        PyTorch has no clipping, skipping or frozen groups inside its optimizers: the first two \
        are left out, the last is refused, as are settings that PyTorch's optimizers do not have. \
        Examples/pytorch/descent_state.py makes an optimizer's state_dict of such a file, and such \
        a file of an optimizer.

        JSON: results of one file, naming, files.
        """)

    @Argument(help: "The file.", completion: .file(extensions: ["safetensors", "json"]))
    var file: String

    @Argument(help: "The file to write.", completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(
      name: .customLong("to"),
      help: "descent or pytorch; otherwise the names stay.",
      completion: .list(StateNaming.allCases.map(\.rawValue)))
    var naming: String?

    @Option(
      parsing: .unconditional, help: "Cut between tensors into files of at most so many bytes.")
    var shardSize: Int?

    @OptionGroup var json: JSONOption

    func validate() throws {
      if let naming, StateNaming(rawValue: naming) == nil {
        throw ValidationError("--to is \"\(naming)\"; allowed is descent or pytorch")
      }
      if let shardSize, shardSize < 1 {
        throw ValidationError("--shard-size is \(shardSize); allowed is 1 or more")
      }
    }

    func run() throws {
      let checkpoint = try Checkpoint(file)
      if checkpoint.status == nil && naming != nil {
        throw CheckpointError.noOptimizer(file: file)
      }
      let naming = naming.flatMap { StateNaming(rawValue: $0) } ?? checkpoint.naming
      try checkpoint.write(to: output, naming: naming, shardSize: shardSize ?? .max)
      let files = try SafetensorsReader(output).files.map(\.path)
      for file in files { try json.console.print(file) }
      try json.write(
        [Result(file: output, naming: naming.rawValue, files: files)], of: "checkpoint convert")
    }

    struct Result: Encodable {
      let file: String
      let naming: String
      let files: [String]
    }
  }

  struct StepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "step",
      abstract:
        "Take the steps whose gradients a file has: to compare with another implementation.",
      discussion: """
        GRADIENTS has a tensor for each of the model's, with the number of steps before the sizes \
        of its shape: [10, 64, 3] are ten steps of a tensor of the shape [64, 3]. The checkpoint \
        must have its parameters with it. The output has the names of the input.

        --schedule is a list of parts, as a file's optimizer.schedule has them: \
        [{"curve":{"cosine":{"from":0.1,"to":0,"steps":100}}}]. It replaces the file's.

        JSON: results of one file, rule, device, steps, digest, which is the parameters'.
        """)

    @Argument(help: "The checkpoint.", completion: .file(extensions: ["safetensors", "json"]))
    var file: String

    @Argument(help: "Their gradients.", completion: .file(extensions: ["safetensors", "json"]))
    var gradients: String

    @Argument(help: "The file to write.", completion: .file(extensions: ["safetensors"]))
    var output: String

    @Option(
      help: "\(SelectedEngine.names).",
      completion: .list(["automatic", "cpu", "reference", "opencl"]))
    var device = "automatic"

    @Option(
      help: ArgumentHelp("The learning rate over the steps, in JSON.", valueName: "parts"),
      transform: {
        do {
          return try JSONDecoder().decode(Schedule.self, from: Data($0.utf8))
        } catch let error as DescentError {
          throw ValidationError("\(error)")
        } catch {
          throw ValidationError("\"\($0)\" is no schedule in JSON")
        }
      })
    var schedule: Schedule?

    @OptionGroup var json: JSONOption

    func validate() throws {
      if try SelectedEngine.parse(device).count != 1 {
        throw ValidationError("--device is \(device); allowed is one")
      }
    }

    func run() throws {
      let checkpoint = try Checkpoint(file)
      guard let status = checkpoint.status else {
        throw CheckpointError.noOptimizer(file: file)
      }
      // Before memory is made: only what is in the file is as long as the file says.
      if let missing = status.layout.tensors.first(where: { checkpoint.reader[$0.name] == nil }) {
        throw CheckpointError.tensor(name: missing.name, reason: "it is missing in \(file)")
      }
      guard let engine = try SelectedEngine.parse(device).first else { return }
      let optimizer = try Optimizer(checkpoint, on: engine.choice)
      // Before loading, since PyTorch's rates depend on it, and after, since a file may replace it.
      if let schedule { optimizer.schedule = schedule }
      var parameters = [Float](repeating: 0, count: optimizer.layout.count)
      try optimizer.load(from: checkpoint, parameters: &parameters)
      if let schedule { optimizer.schedule = schedule }
      let steps = try GradientFile(gradients, optimizer.layout)
      var values = parameters
      for step in 0..<steps.count {
        try steps.read(step, into: &values)
        try optimizer.step(&parameters, gradients: values)
      }
      try optimizer.save(
        to: output, parameters: parameters, naming: checkpoint.naming,
        metadata: checkpoint.metadata)
      let result = Result(
        file: output, rule: type(of: optimizer.rule).name, device: engine.name,
        steps: try optimizer.stepCount, digest: Digest(parameters).description)
      try json.console.print(
        "\(output): \(result.rule) after step \(result.steps), digest \(result.digest)")
      try json.write([result], of: "checkpoint step")
    }

    struct Result: Encodable {
      let file: String
      let rule: String
      let device: String
      let steps: Int
      let digest: String
    }
  }
}
