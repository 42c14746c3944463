internal import Safetensors

extension PyTorchOptimizer {
  /// The settings of an optimizer that PyTorch's optimizer state has. In PyTorch clipping,
  /// skipping, the schedule and the average belong to the trainer, so they are left out. Throws
  /// ``CheckpointError/interchange(_:)`` for what PyTorch does not have.
  init(_ status: OptimizerStatus) throws {
    // As a scheduler of PyTorch would have left it.
    let rates = status.ratesForPyTorch
    let rule = status.rule.with(learningRate: rates.coming)
    let rules = status.layout.groupNames.map { name in
      status.groupRules[name]?.with(
        learningRate: status.groupSchedules[name]?.learningRate(after: status.stepCount)) ?? rule
    }
    let classes = try Set(
      (rules.isEmpty ? [rule] : rules).map { try Self.description($0).className })
    guard let first = classes.first, classes.count == 1 else {
      throw CheckpointError.interchange(
        "the groups' rules are \(classes.sorted().joined(separator: ", ")) of PyTorch; allowed is one "
          + "class in a file")
    }
    (className, groups, steps) = (first, [], [:])
    if first == "NAdam" { muProducts = [:] }
    for (name, rule) in zip(status.layout.groupNames, rules) {
      try Self.checkCounts(status, Self.description(rule), ofGroup: name)
      let settings = status.layout.group(name) ?? ParameterGroup()
      if settings.isFrozen {
        throw CheckpointError.interchange(
          "group \(excerpt(name)) is frozen, which PyTorch's optimizers do not know; allowed is to "
            + "thaw it before it is saved, and requires_grad there")
      }
      var group = try Self.description(settings.applied(to: rule)).group
      group.name = name
      let own = status.groupRules[name]
      settings.writeRates(to: &group, base: own?.learningRate ?? rates.base)
      for tensor in status.layout.tensors where tensor.group == name {
        group.params.append(tensor.name)
        let count = status.groupStepCounts[name] ?? 0
        steps[tensor.name] = count
        if count > 0 { muProducts?[tensor.name] = status.histories[name]?[Self.muProduct] }
      }
      groups.append(group)
    }
    let hasDecay = groups.contains { $0.weightDecay != nil }
    base = Base(lr: rates.base, weightDecay: hasDecay ? rule.weightDecay : nil)
    scaler = status.lossScale.map {
      Scaler(
        scale: $0.scale, growthFactor: $0.growthFactor, backoffFactor: $0.backoffFactor,
        growthInterval: $0.growthInterval, growthTracker: $0.stepsSinceChange)
    }
  }

  /// Throws if a tensor was left out of steps that its group has counted, where PyTorch's result
  /// depends on the parameter's own count.
  private static func checkCounts(
    _ status: OptimizerStatus, _ description: (className: String, group: Group),
    ofGroup group: String
  ) throws(CheckpointError) {
    let isCounted =
      !["SGD", "Muon"].contains(description.className) || description.group.dampening ?? 0 != 0
    let missed = status.missedSteps.filter { status.layout[$0]?.group == group }
    guard isCounted, let tensor = missed.min() else { return }
    throw .interchange(
      "tensor \(excerpt(tensor)) was left out of steps that its group has counted, and PyTorch "
        + "counts for each parameter; allowed is a group of its own that is frozen for these steps")
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

extension PyTorchOptimizer {
  /// What a file says of one; nil if it says nothing.
  init?(_ metadata: [String: String], file: String) throws(CheckpointError) {
    guard let version = metadata[Self.versionKey] else { return nil }
    if version != "1" {
      throw .metadata(
        file: file, key: Self.versionKey, reason: "it is \(excerpt(version)); allowed is \"1\"")
    }
    guard let given = try metadata.decoded(Self.optimizerKey, Self.self, file: file) else {
      throw .metadata(file: file, key: Self.optimizerKey, reason: "it is missing")
    }
    self = given
    // A scheduler may let a rate run down to where PyTorch's float32 step moves by nothing.
    for index in groups.indices {
      groups[index].lr = groups[index].lr.orZeroAsFloat
      groups[index].initialRate = groups[index].initialRate?.orZeroAsFloat
    }
    scaler = try metadata.decoded(Self.scalerKey, Scaler.self, file: file)
  }
}

extension PyTorchOptimizer {
  /// What NAdam's history has for PyTorch's `mu_product`.
  static let muProduct = "muProduct"

  /// The histories of NAdam's groups that have taken steps.
  fileprivate func histories(
    of layout: ParameterLayout, _ counts: [String: Int]
  ) throws(CheckpointError) -> [String: [String: Double]] {
    guard className == "NAdam" else { return [:] }
    var found: [String: [String: Double]] = [:]
    for tensor in layout.tensors where counts[tensor.group] ?? 0 > 0 {
      guard let product = muProducts?[tensor.name] else {
        throw .interchange("NAdam of PyTorch needs a mu_product of \(excerpt(tensor.name))")
      }
      guard product >= 0 && product < 1 else {
        throw .interchange(
          "the mu_product of \(excerpt(tensor.name)) is \(product); allowed is at least 0 and "
            + "below 1")
      }
      if let other = found.updateValue([Self.muProduct: product], forKey: tensor.group),
        other != [Self.muProduct: product]
      {
        throw .interchange(
          "the mu_product of \(excerpt(tensor.name)) is \(product), and another one of its group "
            + "has taken as many steps with another; allowed is a group of its own in PyTorch")
      }
    }
    return found
  }
}

extension Double {
  /// 0 for a number above it that rounds to 0 as a `Float`, which no rule can have.
  fileprivate var orZeroAsFloat: Double { self > 0 && self <= 0x1p-150 ? 0 : self }
}

extension OptimizerStatus {
  /// What a file says of a PyTorch optimizer.
  ///
  /// A single group of PyTorch's becomes the group `default`, or keeps its `name`; several are
  /// `group 0` and so on. A group that differs from the first in more than its rate and weight
  /// decay has a rule of its own. Parameters of one group that have taken different numbers of
  /// steps become several groups, such as `default after 10 steps`.
  init(
    _ given: PyTorchOptimizer, _ reader: SafetensorsReader, file: String
  ) throws(CheckpointError) {
    func refusing<Result>(
      _ key: String, _ body: () throws -> Result
    ) throws(CheckpointError) -> Result {
      do {
        return try body()
      } catch let error as CheckpointError {
        throw error
      } catch {
        throw .metadata(file: file, key: key, reason: "\(error)")
      }
    }
    self = try refusing(PyTorchOptimizer.optimizerKey) {
      let rules = try given.groups.map { try PyTorchOptimizer.rule(given.className, $0) }
      guard var base = rules.first else {
        throw DescentError.value(of: "the number of groups", given: "0", allowed: "1 or more")
      }
      for rule in rules { try rule.validate() }
      let rates = try PyTorchRates(given.groups, given.base)
      (base.learningRate, base.weightDecay) = (rates.rate, rates.weightDecay)
      let (layout, counts, own) = try Self.layout(given, rules, base, rates.groups, reader)
      var status = OptimizerStatus(base, layout: layout)
      status.histories = try given.histories(of: layout, counts)
      status.groupRules = own
      status.baseLearningRate = rates.base == rates.rate ? nil : rates.base
      status.groupStepCounts = counts
      status.stepCount = counts.values.max() ?? 0
      try status.validate()
      return status
    }
    if let scaler = given.scaler {
      lossScale = LossScale(
        scale: scaler.scale, growthFactor: scaler.growthFactor,
        backoffFactor: scaler.backoffFactor, growthInterval: scaler.growthInterval,
        stepsSinceChange: scaler.growthTracker)
      try refusing(PyTorchOptimizer.scalerKey) { try lossScale?.validate() }
    }
  }

  private static func layout(
    _ given: PyTorchOptimizer, _ rules: [any UpdateRule], _ base: any UpdateRule,
    _ groups: [ParameterGroup], _ reader: SafetensorsReader
  ) throws -> (ParameterLayout, [String: Int], own: [String: any UpdateRule]) {
    var (layout, counts) = (ParameterLayout(), [String: Int]())
    var ownRules: [String: any UpdateRule] = [:]
    for (index, (group, rule)) in zip(given.groups, rules).enumerated() {
      let settings = groups[index]
      var rest = rule
      (rest.learningRate, rest.weightDecay) = (base.learningRate, base.weightDecay)
      let isOwn = AnyHashable(rest) != AnyHashable(base)
      let single = given.groups.count == 1
      let name = group.name ?? (single ? ParameterGroup.defaultName : "group \(index)")
      let steps = Set(group.params.map { given.steps[$0] ?? 0 })
      for parameter in group.params {
        let count = given.steps[parameter] ?? 0
        let own = steps.count > 1 ? "\(name) after \(count) steps" : name
        try layout.append(parameter, shape: shape(parameter, rule, reader), group: own)
        try layout.setGroup(own, to: settings)
        if isOwn { ownRules[own] = rest }
        if let other = counts.updateValue(count, forKey: own), other != count {
          throw CheckpointError.interchange("two groups of PyTorch have the name \(excerpt(own))")
        }
      }
    }
    return (layout, counts, ownRules)
  }

  /// Of the parameters themselves where they are in the file, else of a state.
  private static func shape(
    _ parameter: String, _ rule: any UpdateRule, _ reader: SafetensorsReader
  ) throws(CheckpointError) -> [Int] {
    if let tensor = reader[parameter] { return tensor.shape }
    func found(_ state: String) -> [Int]? {
      reader[Checkpoint.tensorName(ofState: state, of: parameter)]?.shape
    }
    if rule is Adafactor {
      if let shape = found("variance") { return shape }
      if let rows = found("row_var")?.first, let columns = found("col_var")?.last {
        return [rows, columns]
      }
    } else if let state = rule.stateNames.first,
      let shape = found(try PyTorchOptimizer.stateName(state, of: rule))
    {
      return shape
    }
    throw .tensor(name: parameter, reason: "neither it nor a state of it is in the file")
  }
}
