import Descent
import Foundation

extension CheckpointCommand {
  /// What `descent checkpoint inspect` says of a file.
  struct Contents: Encodable {
    let file: String
    var naming: String?
    var rule: Rule?
    var steps: Int?
    var skipped: Int?
    var groups: [Group]?
    let parameters: Bool
    let bytes: Int
    let tensors: [Tensor]
    var unreadable: [String: String]?
    let metadata: [String: String]

    struct Rule: Encodable {
      let name: String
      let hyperparameters: any UpdateRule

      private enum Key: CodingKey { case name, hyperparameters }

      func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(name, forKey: .name)
        try values.encode(hyperparameters, forKey: .hyperparameters)
      }
    }

    struct Group: Encodable {
      let name: String
      let steps: Int
      let tensors: Int
      let elements: Int
      let learningRateFactor: Double
      let weightDecay: Double?
      let frozen: Bool
      /// Of the group's own; null where it follows the optimizer's.
      let rule: Rule?
      let schedule: Schedule?
    }

    struct Tensor: Encodable {
      let name: String
      let type: String
      let shape: [Int]
      let bytes: Int
      let checksum: String?
    }

    init(_ checkpoint: Checkpoint) throws {
      file = checkpoint.path
      parameters = checkpoint.hasParameters
      metadata = checkpoint.metadata
      tensors = try checkpoint.reader.tensors.map {
        let checksum = try checkpoint.reader.file(of: $0.name).checksum(of: $0.name)
        return Tensor(
          name: $0.name, type: $0.type.rawValue, shape: $0.shape, bytes: $0.byteCount,
          checksum: checksum.map { String(format: "%08x", $0) })
      }
      if !checkpoint.reader.unreadable.isEmpty { unreadable = checkpoint.reader.unreadable }
      bytes = tensors.reduce(0) { $0 + $1.bytes }
      guard let status = checkpoint.status else { return }
      naming = checkpoint.naming.rawValue
      rule = Rule(name: type(of: status.rule).name, hyperparameters: status.rule)
      (steps, skipped) = (status.stepCount, status.skippedStepCount)
      groups = status.layout.groupNames.map { name in
        let settings = status.layout.group(name) ?? ParameterGroup()
        let members = status.layout.tensors.filter { $0.group == name }
        return Group(
          name: name, steps: status.groupStepCounts[name] ?? 0, tensors: members.count,
          elements: members.reduce(0) { $0 + $1.count },
          learningRateFactor: settings.learningRateFactor, weightDecay: settings.weightDecay,
          frozen: settings.isFrozen,
          rule: status.groupRules[name].map {
            Rule(name: type(of: $0).name, hyperparameters: $0)
          }, schedule: status.groupSchedules[name])
      }
    }
  }
}

// MARK: For people

extension CheckpointCommand.Contents {
  func lines(_ checkpoint: Checkpoint) -> [String] {
    let count = checkpoint.reader.files.count
    var lines = [
      "\(file): \(tensors.count) tensors of \(bytes) bytes"
        + (count > 1 ? " in \(count) files" : "") + "; only headers were read"
    ]
    if let status = checkpoint.status {
      lines.append("rule: \(status.rule)")
      lines.append(
        "steps: \(status.stepCount) taken, \(status.skippedStepCount) skipped; state names: "
          + checkpoint.naming.rawValue)
      if let clipping = status.clipping { lines.append("clipping: \(clipping)") }
      if let scale = status.lossScale {
        lines.append("loss scale: \(scale.scale), \(scale.stepsSinceChange) steps since a change")
      }
      if let averaging = status.averaging {
        let begun = status.averageHasBegun ? "" : ", which begins with the next step"
        lines.append("average of the parameters: decay \(averaging.decay)\(begun)")
      }
      if let schedule = status.schedule {
        lines.append("schedule: \(schedule)")
        lines.append("coming rate: \(schedule.learningRate(after: status.stepCount))")
      }
      for (name, rule) in status.groupRules.sorted(by: { $0.key < $1.key }) {
        lines.append("rule of group \(name.debugDescription): \(rule)")
      }
      for (name, schedule) in status.groupSchedules.sorted(by: { $0.key < $1.key }) {
        lines.append("schedule of group \(name.debugDescription): \(schedule)")
      }
      lines.append(parameters ? "the parameters are in it" : "the parameters are not in it")
    } else {
      lines.append("no optimizer's state: a model's file")
    }
    for (name, reason) in (unreadable ?? [:]).sorted(by: { $0.key < $1.key }) {
      lines.append("\(name.prefix(200).debugDescription) cannot be read: \(reason)")
    }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      lines.append("\(key.debugDescription): \(value.prefix(200).debugDescription)")
    }
    return lines
  }

  var groupTable: Table? {
    guard let groups else { return nil }
    var table = Table(
      .left("group"), .left("own rule"), .right("tensors"), .right("elements"), .right("steps"),
      .right("rate ×"),
      .right("decay"), .left("frozen"))
    for group in groups {
      table.append(
        group.name, group.rule?.name ?? "", "\(group.tensors)", "\(group.elements)",
        "\(group.steps)",
        "\(group.learningRateFactor)", group.weightDecay.map { "\($0)" } ?? "the rule's",
        group.frozen ? "yes" : "")
    }
    return table
  }

  var tensorTable: Table {
    var table = Table(
      .left("tensor"), .left("type"), .left("shape"), .right("bytes"), .left("crc32"))
    for tensor in tensors {
      table.append(
        tensor.name, tensor.type,
        tensor.shape.map { "\($0)" }.joined(separator: "×"), "\(tensor.bytes)",
        tensor.checksum ?? "")
    }
    return table
  }
}
