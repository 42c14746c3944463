import ArgumentParser
import Descent
import Foundation
import Safetensors
import Testing

@testable import Training
@testable import descent_tool

/// `descent checkpoint`, and `descent train` with a checkpoint.
@Suite struct CheckpointCommandTests {
  /// What the command line says of these arguments, or nothing if it takes them.
  private func complaint(_ arguments: [String]) -> String {
    do {
      var command = try DescentCommand.parseAsRoot(arguments)
      try command.run()
      return ""
    } catch {
      return DescentCommand.message(for: error)
    }
  }

  /// The results of a command that succeeds.
  private func results(_ arguments: [String], in folder: String) throws -> [[String: Any]] {
    let file = folder + "/out.json"
    var command = try DescentCommand.parseAsRoot(arguments + ["--json", file])
    try command.run()
    let data = try Data(contentsOf: URL(filePath: file))
    let document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    return try #require(document["results"] as? [[String: Any]])
  }

  private static func save(_ path: String) throws -> Optimizer {
    var layout = ParameterLayout()
    try layout.append("weight", shape: [3, 4])
    try layout.append("bias", shape: [3], group: "biases")
    try layout.setGroup("biases", to: ParameterGroup(weightDecay: 0))
    let optimizer = try Optimizer(AdamW(), layout: layout, on: .cpu)
    var parameters = [Float](repeating: 1, count: 15)
    for step in 1...2 {
      try optimizer.step(&parameters, gradients: (0..<15).map { Float($0 - step) })
    }
    try optimizer.save(to: path, parameters: parameters, metadata: ["note": "a\u{1b}[31m"])
    return optimizer
  }

  @Test("a file with a tensor that cannot be read is whole")
  func unreadable() throws {
    try withTemporaryFolder { url in
      let (folder, path) = (url.path, url.path + "/x.safetensors")
      let header =
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""q":{"dtype":"F4","shape":[2],"data_offsets":[4,5]}}"#
      let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
      try Data(length + header.utf8 + [0, 0, 0, 0, 0]).write(to: URL(filePath: path))
      let row = try #require(try results(["checkpoint", "verify", path], in: folder).first)
      #expect(row["whole"] as? Bool == true && row["tensors"] as? Int == 1)
      #expect(row["unchecked"] as? Int == 1 && row["unreadable"] as? Int == 1)
      let contents = try #require(try results(["checkpoint", "inspect", path], in: folder).first)
      #expect(contents["unreadable"] as? [String: String] == ["q": "the type \"F4\""])
    }
  }

  @Test("steps of which a file has no byte are refused")
  func emptySteps() throws {
    try withTemporaryFolder { url in
      let folder = url.path
      var layout = ParameterLayout()
      try layout.append("w", shape: [0])
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: .reference)
      try optimizer.save(to: folder + "/run.safetensors", parameters: [] as [Float])
      func step(_ count: Int) throws -> String {
        let path = folder + "/gradients.safetensors"
        let writer = try SafetensorsWriter(
          path, tensors: [SafetensorsTensor("w", shape: [count, 0])])
        try writer.commit()
        return complaint(
          ["checkpoint", "step", folder + "/run.safetensors", path, folder + "/out.safetensors"])
      }
      #expect(try step(0) == "")
      #expect(
        try step(1_000_000_000_000_000).contains("1000000000000000 steps for tensors without"))
    }
  }

  @Test("inspect shows the rules and schedules of groups")
  func groupRules() throws {
    func error(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "no error"
    }
    try withTemporaryFolder { url in
      let path = url.path + "/run.safetensors"
      var layout = ParameterLayout()
      try layout.append("w", shape: [2, 2], group: "matrices")
      try layout.append("b", shape: [2])
      let optimizer = try Optimizer(
        AdamW(), layout: layout, rules: ["matrices": Muon(momentum: 0.75)], on: .cpu)
      try optimizer.setGroupSchedule("matrices", to: .constant(0.5))
      try optimizer.save(to: path)
      let row = try #require(try results(["checkpoint", "inspect", path], in: url.path).first)
      let groups = try #require(row["groups"] as? [[String: Any]])
      let own = try #require(groups.first { $0["name"] as? String == "matrices" })
      let rule = try #require(own["rule"] as? [String: Any])
      #expect(rule["name"] as? String == "muon" && own["schedule"] != nil)
      #expect((rule["hyperparameters"] as? [String: Any])?["momentum"] as? Double == 0.75)
      #expect(groups.first { $0["name"] as? String == "default" }?["rule"] == nil)
      let checkpoint = try Checkpoint(path)
      let words = try CheckpointCommand.Contents(checkpoint).lines(checkpoint)
      #expect(words.contains { $0.hasPrefix("rule of group \"matrices\": muon") })
      #expect(words.contains { $0.hasPrefix("schedule of group \"matrices\": ") })
      #expect(
        error { _ = try optimizer.state("update", of: "w") }
          == "there is no state of muon \"update\"; there is b")
      #expect(
        error { _ = try optimizer.state("update") }
          == "there is no state of the groups' rules \"update\"; there is b, m, v")
      let torch = error { try optimizer.save(to: path, naming: .pyTorch) }
      #expect(torch.hasPrefix("torch.optim.Muon does not support"))
      let muon = try Optimizer(
        Muon(), layout: ParameterLayout(count: 4, for: Muon()), on: .cpu)
      var x: [Float] = [1, 2, 3, 4]
      try muon.step(&x, gradients: [1, 1, 1, 1] as [Float])
      #expect(
        error { try muon.save(to: path, naming: .pyTorch) }
          == "torch.optim.Muon does not support these settings of muon: exponentialAverage false")
    }
  }

  @Test("inspect, verify and convert")
  func files() throws {
    try withTemporaryFolder { url in
      let folder = url.path
      let path = folder + "/run.safetensors"
      let optimizer = try Self.save(path)
      let row = try #require(try results(["checkpoint", "inspect", path], in: folder).first)
      #expect(
        Set(row.keys) == [
          "file", "naming", "rule", "steps", "skipped", "groups", "parameters", "bytes", "tensors",
          "metadata",
        ])
      #expect(row["steps"] as? Int == 2 && row["bytes"] as? Int == 180)
      #expect((row["rule"] as? [String: Any])?["name"] as? String == "adamw")
      let groups = try #require(row["groups"] as? [[String: Any]])
      #expect(groups.map { $0["name"] as? String } == ["default", "biases"])
      #expect(groups[1]["weightDecay"] as? Double == 0 && groups[1]["elements"] as? Int == 3)
      let tensors = try #require(row["tensors"] as? [[String: Any]])
      #expect(tensors.count == 6 && tensors[0]["shape"] as? [Int] == [3, 4])
      #expect((tensors[0]["checksum"] as? String)?.count == 8)
      // Control codes for colours do not reach the terminal.
      let contents = try CheckpointCommand.Contents(Checkpoint(path))
      let words = try contents.lines(Checkpoint(path)).joined(separator: "\n")
      #expect(words.contains("\"note\"") && !words.contains("\u{1b}"))

      let (torch, back) = (folder + "/torch.safetensors", folder + "/back.safetensors")
      #expect(complaint(["checkpoint", "convert", path, torch, "--to", "pytorch"]) == "")
      #expect(try Checkpoint(torch).naming == .pyTorch)
      #expect(try Checkpoint(torch).reader["optimizer.exp_avg.weight"]?.shape == [3, 4])
      let shards = try results(
        ["checkpoint", "convert", torch, back, "--to", "descent", "--shard-size", "64"], in: folder)
      #expect((shards.first?["files"] as? [String])?.count == 3)
      let twin = try Optimizer(Checkpoint(back), on: .reference)
      #expect(try twin.states() == optimizer.states() && twin.stepCount == 2)

      let whole = try results(["checkpoint", "verify", path, torch, back], in: folder)
      #expect(whole.allSatisfy { $0["whole"] as? Bool == true && $0["unchecked"] as? Int == 0 })
      var bytes = try Data(contentsOf: URL(filePath: path))
      bytes[bytes.count - 1] ^= 1
      try bytes.write(to: URL(filePath: path))
      #expect(complaint(["checkpoint", "inspect", path]) == "")
      #expect(throws: ExitCode.failure) {
        var command = try DescentCommand.parseAsRoot(["checkpoint", "verify", torch, path])
        try command.run()
      }
      #expect(
        complaint(["checkpoint", "convert", path, back]).contains("the file was altered"))
      #expect(
        complaint(["checkpoint", "convert", path, back, "--to", "keras"])
          == "--to is \"keras\"; allowed is descent or pytorch")
      #expect(
        complaint(["checkpoint", "inspect", folder + "/none"]).contains("No such file"))
    }
  }

  @Test("a model's file is looked into, cut and put together")
  func model() throws {
    try withTemporaryFolder { url in
      let folder = url.path
      let (path, cut) = (folder + "/model.safetensors", folder + "/cut.safetensors")
      let writer = try SafetensorsWriter(
        path,
        tensors: [
          SafetensorsTensor("ids", type: .int64, shape: [2]), SafetensorsTensor("w", shape: [3]),
        ],
        metadata: ["format": "pt"])
      try [Int64(1), 2].withUnsafeBytes { try writer.append($0, to: "ids") }
      try writer.append([1, 2, 3], to: "w")
      try writer.commit()
      let row = try #require(try results(["checkpoint", "inspect", path], in: folder).first)
      #expect(
        Set(row.keys) == ["file", "parameters", "bytes", "tensors", "metadata"])
      #expect(complaint(["checkpoint", "convert", path, cut, "--shard-size", "16"]) == "")
      let reader = try SafetensorsReader(cut)
      #expect(reader.files.count == 2 && reader.metadata == ["format": "pt"])
      #expect(try reader.floats("w") == [1, 2, 3])
      #expect(
        complaint(["checkpoint", "convert", path, cut, "--to", "pytorch"]).contains(
          "there is no optimizer's state in it"))
    }
  }

  @Test("steps from a file of gradients")
  func steps() throws {
    try withTemporaryFolder { url in
      let folder = url.path
      let (path, gradients) = (folder + "/run.safetensors", folder + "/g.safetensors")
      let optimizer = try Self.save(path)
      var parameters = [Float](repeating: 0, count: 15)
      try optimizer.load(from: path, parameters: &parameters)
      let values = (0..<30).map { Float($0 % 7) }
      let writer = try SafetensorsWriter(
        gradients,
        tensors: [
          SafetensorsTensor("weight", shape: [2, 3, 4]), SafetensorsTensor("bias", shape: [2, 3]),
        ])
      try writer.append(Array(values[..<24]), to: "weight")
      try writer.append(Array(values[24...]), to: "bias")
      try writer.commit()
      for step in 0..<2 {
        try optimizer.step(
          &parameters,
          gradients: Array(values[step * 12..<step * 12 + 12])
            + Array(values[24 + step * 3..<27 + step * 3]))
      }
      let row = try #require(
        try results(
          ["checkpoint", "step", path, gradients, folder + "/b.safetensors", "--device", "cpu"],
          in: folder
        ).first)
      #expect(row["digest"] as? String == Digest(parameters).description)
      #expect(row["steps"] as? Int == 4 && Set(row.keys).contains("rule"))
      #expect(try Checkpoint(folder + "/b.safetensors").state() == optimizer.state)
      #expect(
        complaint(["checkpoint", "step", path, path, folder + "/b.safetensors"])
          .contains("tensor \"weight\": the shape [3, 4] in"))
      try optimizer.save(to: path)
      #expect(
        complaint(["checkpoint", "step", path, gradients, folder + "/b.safetensors"])
          .contains("tensor \"weight\": it is missing in"))
    }
  }

  private static func train(_ path: String, _ more: [String]) -> [String] {
    [
      "train", "--data", CommandTests.digits, "--hidden", "4", "--batch", "64", "--checkpoint",
      path,
    ] + more
  }

  @Test(
    "a run that is killed and goes on ends as one that never stopped",
    arguments: ["adam", "nesterov", "rmsprop", "schedule_free_adamw"])
  func resume(_ rule: String) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/run.safetensors"
    var straight = try results(
      Self.train(
        folder + "/straight.safetensors", ["--rule", rule, "--epochs", "3", "--device", "cpu"]),
      in: folder)[0]

    // Saves every 7 steps, and is killed by itself amidst the second of its 23-step epochs.
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = path as String, rule = rule as String] in
      var trainer = try Self.trainer(checkpoint: path)
      trainer.afterStep = { if $0 == 32 { kill(getpid(), SIGKILL) } }
      _ = try trainer.run(
        Trainer.rule(Rules.named(rule), learningRate: nil), on: .cpu)
    }
    #expect(try Checkpoint(path).status?.stepCount == 28)
    // Part of the way on another engine, and the rest on this one.
    _ = try results(
      Self.train(path, ["--rule", rule, "--epochs", "2", "--device", "reference", "--resume"]),
      in: folder)
    #expect(try Checkpoint(path).status?.stepCount == 46)
    var resumed = try results(
      Self.train(path, ["--rule", rule, "--epochs", "3", "--device", "cpu", "--resume"]),
      in: folder)[0]
    for key in ["millisecondsPerStep", "device"] {
      straight[key] = nil
      resumed[key] = nil
    }
    #expect(NSDictionary(dictionary: straight) == NSDictionary(dictionary: resumed))
    // The checkpoints are the same too, and a run that is over goes on to the same end.
    #expect(
      try Data(contentsOf: URL(filePath: path))
        == Data(contentsOf: URL(filePath: folder + "/straight.safetensors")))
    let again = try results(
      Self.train(path, ["--rule", rule, "--epochs", "3", "--device", "cpu", "--resume"]),
      in: folder)[0]
    #expect(again["digest"] as? String == straight["digest"] as? String)
  }

  private static func trainer(checkpoint: String) throws -> Trainer {
    let (training, test) = try Dataset.load(path: CommandTests.digits).split(seed: 1)
    return Trainer(
      training: training.standardised(by: training), test: test.standardised(by: training),
      hidden: 4, epochs: 3, batch: 64,
      checkpoint: TrainingCheckpoint(path: checkpoint, interval: 7))
  }

  @Test(
    "where steps update another point, losses, accuracies and digest are of the point to evaluate",
    arguments: [
      ("schedule_free_sgd", "z"), ("schedule_free_adamw", "z"), ("nesterov", "b"),
    ])
  func evaluation(_ rule: String, _ name: String) throws {
    try withTemporaryFolder { url in
      let path = url.path + "/run.safetensors"
      let row = try results(
        Self.train(path, ["--rule", rule, "--epochs", "2", "--device", "cpu"]), in: url.path)[0]
      // The run has saved what it trains.
      let optimizer = try Optimizer(Checkpoint(path), on: .cpu)
      var trained = [Float](repeating: 0, count: optimizer.layout.count)
      try optimizer.load(from: path, parameters: &trained)
      let state = try optimizer.state(name)
      // β and γ are 0.9.
      let kept = 0.9
      let share = Float((1 - kept) / kept)
      let point = zip(trained, state).map { y, s in
        name == "z" ? y + share * (y - s) : y + Float(kept) * s
      }
      let trainer = try Self.trainer(checkpoint: path)
      var classifier = Classifier(
        featureCount: trainer.training.featureCount, hiddenCount: 4,
        classCount: trainer.training.classes.count)
      let found = classifier.evaluate(parameters: point, on: trainer.training)
      let other = classifier.evaluate(parameters: trained, on: trainer.training)
      let tested = classifier.evaluate(parameters: point, on: trainer.test)
      #expect(point != trained && found.loss != other.loss)
      for (key, expected) in [
        ("finalLoss", Double(found.loss)), ("trainAccuracy", found.accuracy),
        ("testAccuracy", tested.accuracy),
      ] {
        // The reader of JSON rounds the last digit.
        #expect(abs(try #require(row[key] as? Double) - expected) < 1e-12, "\(key)")
      }
      let last = try #require((row["losses"] as? [Double])?.last)
      #expect(abs(last - Double(found.loss)) < 1e-12)
      #expect(row["digest"] as? String == Digest(point).description)
    }
  }

  @Test("a run whose loss is NaN is saved, and goes on from there")
  func divergence() throws {
    try withTemporaryFolder { url in
      let path = url.path + "/run.safetensors"
      func row(_ epochs: String, _ more: String...) throws -> [String: Any] {
        try results(
          Self.train(
            path,
            ["--rule", "sgd", "--learning-rate", "1e30", "--device", "cpu", "--epochs", epochs]
              + more), in: url.path)[0]
      }
      let first = try row("1")
      #expect(first["finalLoss"] as? String == "nan")
      let saved = try Checkpoint(path)
      #expect(saved.status?.stepCount == 23)
      #expect(try #require(saved.metadata[TrainingCheckpoint.key]).contains("\"nan\""))
      let second = try row("2", "--resume")
      #expect((second["losses"] as? [Any])?.count == 3)
      #expect((second["losses"] as? [Any])?[1] as? String == "nan")
      #expect(try Checkpoint(path).status?.stepCount == 46)
    }
  }

  @Test("a checkpoint is a file: not a device, and not a folder", arguments: ["/dev/null", "/tmp"])
  func noFile(_ path: String) {
    #expect(
      complaint(Self.train(path, ["--epochs", "1", "--device", "cpu"]))
        == "--checkpoint is \(path), which is no file; allowed is the name of one")
  }

  @Test("another run's checkpoint is not gone on from")
  func mismatches() throws {
    try withTemporaryFolder { url in
      let folder = url.path
      let path = folder + "/run.safetensors"
      func complaint(_ more: String...) -> String {
        self.complaint(Self.train(path, ["--epochs", "1", "--device", "cpu"] + more))
          .replacingOccurrences(of: folder + "/", with: "")
      }
      #expect(complaint("--resume") == "")
      #expect(
        complaint()
          == "run.safetensors is there; allowed is --resume, which goes on from it, or another name"
      )
      #expect(
        complaint("--resume", "--seed", "2")
          == "run.safetensors: the run in it has --seed 1, not 2")
      #expect(
        complaint("--resume", "--batch", "8")
          == "run.safetensors: the run in it has --batch 64, not 8")
      // A number that no run has is reported, not used.
      let text = try #require(Checkpoint(path).metadata[TrainingCheckpoint.key])
      let odd = folder + "/odd.safetensors"
      try Optimizer(Checkpoint(path), on: .cpu).save(
        to: odd,
        metadata: [TrainingCheckpoint.key: text.replacing("\"batch\":64", with: "\"batch\":-1")])
      #expect(
        self.complaint(Self.train(odd, ["--epochs", "1", "--device", "cpu", "--resume"]))
          .hasSuffix("odd.safetensors: the run in it has --batch -1, not 64"))
      #expect(
        self.complaint(Self.train(folder + "/none/x.safetensors", ["--device", "cpu"]))
          .hasSuffix("there is no folder \(folder)/none"))
      #expect(throws: Never.self) { try TrainingCheckpoint(path: "x.safetensors").checkFolder() }
      #expect(
        complaint("--resume", "--learning-rate", "0.5")
          == "run.safetensors: the run in it has the rule adam at a rate of 0.002, not adam at 0.5 "
          + "(--rule, --learning-rate)")
      #expect(
        complaint("--resume", "--rule", "adam,sgd") == "--checkpoint is for one rule on one device")
      #expect(
        complaint("--checkpoint-every", "0") == "--checkpoint-every is 0; allowed is 1 or more")
      #expect(
        self.complaint(["train", "--data", CommandTests.digits, "--resume"])
          == "--resume and --checkpoint-every need --checkpoint")
      _ = try Self.save(path)
      #expect(
        complaint("--resume")
          == "run.safetensors: no run of `descent train` has written it")
    }
  }
}
