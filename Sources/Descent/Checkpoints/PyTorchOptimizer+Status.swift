extension PyTorchOptimizer {
  /// What PyTorch is to know of an optimizer. Clipping, skipping, the schedule and the average are
  /// the trainer's there, and are left out. Throws ``CheckpointError/interchange(_:)`` for what
  /// PyTorch has not.
  init(_ status: OptimizerStatus) throws {
    // As a scheduler of PyTorch would have left it.
    let rule = status.rule.with(
      learningRate: status.schedule?.learningRate(after: status.stepCount))
    className = try Self.description(rule).className
    (groups, steps) = ([], [:])
    for name in status.layout.groupNames {
      let settings = status.layout.group(name) ?? ParameterGroup()
      if settings.isFrozen {
        throw CheckpointError.interchange(
          "group \(excerpt(name)) is frozen, which PyTorch's optimizers do not know; allowed is to "
            + "thaw it before it is saved, and requires_grad there")
      }
      var group = try Self.description(settings.applied(to: rule)).group
      group.name = name
      for tensor in status.layout.tensors where tensor.group == name {
        group.params.append(tensor.name)
        steps[tensor.name] = status.groupStepCounts[name] ?? 0
      }
      groups.append(group)
    }
    scaler = status.lossScale.map {
      Scaler(
        scale: $0.scale, growthFactor: $0.growthFactor, backoffFactor: $0.backoffFactor,
        growthInterval: $0.growthInterval, growthTracker: $0.stepsSinceChange)
    }
  }

  /// The entries that ``init(_:)`` makes.
  var metadata: [String: String] {
    get throws {
      var entries = [Self.versionKey: "1"]
      entries[Self.optimizerKey] = try JSONValue(encoding: self).text
      if let scaler { entries[Self.scalerKey] = try JSONValue(encoding: scaler).text }
      return entries
    }
  }
}

extension OptimizerStatus {
  /// What a file says of a PyTorch optimizer; nil if it says nothing of one.
  ///
  /// One group of PyTorch's is the group `default`, or has the `name` that it carries there;
  /// several are `group 0` and so on. Parameters of one group that have taken different numbers of
  /// steps become several groups, such as `default after 10 steps`.
  init?(pyTorch reader: SafetensorsReader, file: String) throws(CheckpointError) {
    let metadata = reader.metadata
    guard let version = metadata[PyTorchOptimizer.versionKey] else { return nil }
    if version != "1" { throw .version(file: file, found: version) }
    let key = PyTorchOptimizer.optimizerKey
    func refusal(_ reason: String) -> CheckpointError {
      .metadata(file: file, key: key, reason: reason)
    }
    guard let given = try metadata.decoded(key, PyTorchOptimizer.self, file: file) else {
      throw refusal("it is missing")
    }
    let rules = try given.groups.map { group throws(CheckpointError) in
      try PyTorchOptimizer.rule(given.className, group)
    }
    // The rate that the groups' factors multiply must not be 0.
    guard let base = rules.first(where: { $0.learningRate != 0 }) ?? rules.first else {
      throw refusal("no group; allowed is at least one")
    }
    do {
      let (layout, counts) = try Self.layout(given, rules, base, reader)
      self.init(base, layout: layout)
      groupStepCounts = counts
      stepCount = counts.values.max() ?? 0
      if let scaler = try metadata.decoded(
        PyTorchOptimizer.scalerKey, PyTorchOptimizer.Scaler.self, file: file)
      {
        lossScale = LossScale(
          scale: scaler.scale, growthFactor: scaler.growthFactor,
          backoffFactor: scaler.backoffFactor, growthInterval: scaler.growthInterval,
          stepsSinceChange: scaler.growthTracker)
      }
      try validate()
    } catch let error as CheckpointError {
      throw error
    } catch {
      throw refusal("\(error)")
    }
  }

  private static func layout(
    _ given: PyTorchOptimizer, _ rules: [any UpdateRule], _ base: any UpdateRule,
    _ reader: SafetensorsReader
  ) throws -> (ParameterLayout, [String: Int]) {
    var (layout, counts) = (ParameterLayout(), [String: Int]())
    for (index, (group, rule)) in zip(given.groups, rules).enumerated() {
      var settings = ParameterGroup()
      if base.learningRate != 0 {
        settings.learningRateFactor = rule.learningRate / base.learningRate
      }
      if rule.weightDecay != base.weightDecay { settings.weightDecay = rule.weightDecay }
      var rest = rule
      (rest.learningRate, rest.weightDecay) = (base.learningRate, base.weightDecay)
      guard AnyHashable(rest) == AnyHashable(base) else {
        throw CheckpointError.interchange(
          "PyTorch's groups differ in more than lr and weight_decay, which groups here cannot: "
            + "give them optimizers of their own")
      }
      let single = given.groups.count == 1
      let name = group.name ?? (single ? ParameterGroup.defaultName : "group \(index)")
      let steps = Set(group.params.map { given.steps[$0] ?? 0 })
      for parameter in group.params {
        let count = given.steps[parameter] ?? 0
        let own = steps.count > 1 ? "\(name) after \(count) steps" : name
        try layout.append(parameter, shape: shape(parameter, base, reader), group: own)
        try layout.setGroup(own, to: settings)
        if let other = counts.updateValue(count, forKey: own), other != count {
          throw CheckpointError.interchange("two groups of PyTorch have the name \(excerpt(own))")
        }
      }
    }
    return (layout, counts)
  }

  /// Of the parameters themselves where they are in the file, else of a state.
  private static func shape(
    _ parameter: String, _ rule: any UpdateRule, _ reader: SafetensorsReader
  ) throws(CheckpointError) -> [Int] {
    if let tensor = reader[parameter] { return tensor.shape }
    if let state = rule.stateNames.first {
      let name = Checkpoint.tensorName(
        ofState: try PyTorchOptimizer.stateName(state, of: rule), of: parameter)
      if let tensor = reader[name] { return tensor.shape }
    }
    throw .tensor(name: parameter, reason: "neither it nor a state of it is in the file")
  }
}
