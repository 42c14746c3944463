internal import Safetensors

/// What a state makes of the groups of a layout that may be cut otherwise than its own.
struct GroupFit {
  /// By the places in the layout's list of names.
  private(set) var groups: [Group] = []

  struct Group {
    var settings = ParameterGroup()
    var count = 0
    /// The group's own rule, now and in the last step.
    var own: (any UpdateRule)?
    var lastOwn: (any UpdateRule)?
    var schedule: Schedule?
    var histories: [String: Double] = [:]
  }
  /// Where the state comes from, for people.
  let origin: String

  /// Throws ``CheckpointError`` unless both layouts have the same tensors, and each group of
  /// `layout` has tensors of the same settings and step count.
  ///
  /// - Parameter origin: where the state comes from, for messages.
  init(
    _ status: OptimizerStatus, _ layout: ParameterLayout, origin: String = "the state"
  ) throws(CheckpointError) {
    self.origin = origin
    for tensor in layout.tensors {
      guard let given = status.layout[tensor.name] else {
        throw .tensor(name: tensor.name, reason: "\(origin) does not have it")
      }
      if given.shape != tensor.shape {
        throw .tensor(
          name: tensor.name,
          reason: "the shape \(given.shape) in \(origin); the optimizer's is \(tensor.shape)")
      }
    }
    if let stranger = status.layout.tensors.first(where: { layout[$0.name] == nil }) {
      throw .tensor(
        name: stranger.name, reason: "the optimizer's layout does not have it, \(origin) has")
    }
    let members = Dictionary(grouping: layout.tensors) { $0.group }
    for name in layout.groupNames {
      groups.append(try Self.group(name, members[name] ?? [], status))
    }
  }

  /// Gives the state's rule to each group that has none of its own.
  mutating func makeRuleOwn(_ status: OptimizerStatus) {
    for index in groups.indices where groups[index].own == nil {
      (groups[index].own, groups[index].lastOwn) = (status.rule, status.lastRule)
    }
  }

  private static func group(
    _ name: String, _ members: [ParameterLayout.Tensor], _ status: OptimizerStatus
  ) throws(CheckpointError) -> Group {
    var result: (settings: ParameterGroup, count: Int, origin: String, tensor: String)?
    for tensor in members {
      guard let origin = status.layout[tensor.name]?.group else { continue }
      let settings = status.layout.group(origin) ?? ParameterGroup()
      let count = status.groupStepCounts[origin] ?? 0
      guard let first = result else {
        result = (settings, count, origin, tensor.name)
        continue
      }
      if first.origin == origin { continue }
      if first.count != count {
        throw .group(
          name: name,
          reason: "\(excerpt(first.tensor)) has taken \(first.count) steps and "
            + "\(excerpt(tensor.name)) \(count); allowed is the same number in a group")
      }
      if AnyHashable(status.groupRule(first.origin)) != AnyHashable(status.groupRule(origin))
        || status.groupSchedules[first.origin] != status.groupSchedules[origin]
        || status.histories[first.origin] != status.histories[origin]
      {
        throw .group(
          name: name,
          reason: "\(excerpt(first.tensor)) and \(excerpt(tensor.name)) had different rules or "
            + "schedules; allowed are the same in a group")
      }
      if first.settings != settings {
        throw .group(
          name: name,
          reason: "\(excerpt(first.tensor)) and \(excerpt(tensor.name)) had different settings; "
            + "allowed are the same in a group")
      }
    }
    guard let result else { return Group() }
    // What is clipped together has to stay together.
    if case .globalNorm = result.settings.clipping {
      let origins = Set(members.compactMap { status.layout[$0.name]?.group })
      let together = status.layout.tensors.count { $0.group == result.origin }
      if origins.count > 1 || together != members.count {
        throw .group(
          name: name,
          reason: "its gradients were clipped together with others' or apart; allowed is the "
            + "group \(excerpt(result.origin)) as it was")
      }
    }
    return Group(
      settings: result.settings, count: result.count, own: status.groupRules[result.origin],
      lastOwn: status.lastGroupRules[result.origin], schedule: status.groupSchedules[result.origin],
      histories: status.histories[result.origin] ?? [:])
  }
}

extension GroupFit {
  /// Makes factors and decays of the rates and decays of PyTorch's groups, as ``PyTorchRates``
  /// says, and sets those of the rule in `status`. Whether a group is frozen and how it is clipped
  /// stays: PyTorch's optimizers do not have that.
  ///
  /// - Parameter own: the optimizer's own settings; its groups in the order of the layout's names.
  mutating func take(
    _ given: PyTorchOptimizer, _ status: inout OptimizerStatus, _ layout: ParameterLayout,
    own: PyTorchRates.Own
  ) throws {
    var places: [String: PyTorchOptimizer.Group] = [:]
    for group in given.groups {
      for name in group.params { places[name] = group }
    }
    // All tensors of a group here have one group there, or groups of the same settings.
    var members: [String: PyTorchOptimizer.Group] = [:]
    for tensor in layout.tensors { members[tensor.group] = places[tensor.name] }
    let rates = try PyTorchRates(
      layout.groupNames.compactMap { members[$0] }, given.base, own: own)
    (status.rule.learningRate, status.rule.weightDecay) = (rates.rate, rates.weightDecay)
    status.baseLearningRate = rates.base
    for (index, group) in rates.groups.enumerated() {
      var settings = group
      settings.isFrozen = own.groups[index].isFrozen
      settings.clipping = own.groups[index].clipping
      try settings.validate(layout.groupNames[index])
      try settings.applied(to: status.rule).validate()
      groups[index].settings = settings
      // Factors and decays of all groups are relative to one rate and one decay.
      groups[index].own?.learningRate = rates.rate
      groups[index].own?.weightDecay = rates.weightDecay
    }
  }

  /// Keeps what PyTorch's groups do not have: which groups follow the optimizer's rule, and their
  /// schedules. The rule of the first group that follows it becomes the state's rule, and others
  /// get rules of their own.
  ///
  /// - Parameter own: the groups' own rules in the optimizer; nil for those that follow its rule.
  mutating func keepFollowers(
    _ own: [(any UpdateRule)?], _ schedules: [Schedule?], _ status: inout OptimizerStatus
  ) {
    for index in groups.indices { groups[index].schedule = schedules[index] }
    guard let pivot = own.firstIndex(where: { $0 == nil }), let rule = groups[pivot].own else {
      return
    }
    for index in groups.indices {
      let given = groups[index].own ?? status.rule
      groups[index].own = AnyHashable(given) == AnyHashable(rule) ? nil : given
    }
    status.rule = rule
  }

  /// The step counts of groups of which `loaded` tensors are replaced, nil for a group that keeps
  /// its own. Throws ``CheckpointError`` for a group whose tensors would then have different step
  /// counts.
  static func counts(
    _ status: OptimizerStatus, _ groups: GroupRules, _ layout: ParameterLayout,
    loaded: Set<String>
  ) throws(CheckpointError) -> [Int?] {
    var counts = [Int?](repeating: nil, count: groups.names.count)
    let members = Dictionary(grouping: layout.tensors) { $0.group }
    for (index, name) in groups.names.enumerated() {
      var first: (tensor: String, count: Int)?
      for tensor in members[name] ?? [] {
        var count = groups.counts[index]
        if loaded.contains(tensor.name), let origin = status.layout[tensor.name]?.group {
          count = status.groupStepCounts[origin] ?? 0
          counts[index] = count
        }
        if let first, first.count != count {
          throw .group(
            name: name,
            reason: "\(excerpt(first.tensor)) would stand at step \(first.count) and "
              + "\(excerpt(tensor.name)) at \(count); allowed is one for the group, so give "
              + "them groups of their own")
        }
        first = first ?? (tensor.name, count)
      }
    }
    return counts
  }
}
