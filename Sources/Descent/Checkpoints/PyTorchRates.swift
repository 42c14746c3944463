/// The rule's rate and decay and each group's settings, as they follow from PyTorch's groups.
///
/// PyTorch's groups have rates: `lr` for the coming step, and `initial_lr`, which is the group's
/// rate in the run and stays while a scheduler moves `lr`. Groups here have factors to the rule's
/// rate, or to the schedule's. A factor is a group's rate over the base rate of the run:
///
/// - The rates are the `initial_lr`, or `lr` where a group has none. Where the `lr` are no longer
///   in proportion to the `initial_lr`, as with CosineAnnealingLR and an `eta_min`, no factors give
///   both. An optimizer with a schedule then takes the `initial_lr`, since it does not use the
///   `lr`; one without takes the `lr`, and each group's `initial_lr` goes back to PyTorch as it
///   came.
/// - If the rates are in proportion to the factors that the optimizer already has, these stay, and
///   the base is what they are factors to. Rates that are all 0 are in proportion to every factor,
///   and leave the optimizer's base.
/// - Otherwise the base is what the file says, PyTorch's `defaults`; else the rate of the
///   optimizer's own rule, if a group has it; else the highest rate.
///
/// Nothing depends on the order of the groups, and nothing is divided by 0.
///
/// Decays likewise: groups without a decay of their own follow the rule's, if PyTorch's have one
/// decay in common. Otherwise the rule's decay is what the file says, else its own if a group has
/// it, else the highest; a group with another decay has that of its own.
struct PyTorchRates {
  /// The rule's, for the coming step.
  let rate: Double
  /// The rule's, which factors refer to.
  let base: Double
  let weightDecay: Double
  /// Factors, decays, and the values that only PyTorch's schedulers use.
  let groups: [ParameterGroup]

  /// What the optimizer that loads has.
  struct Own {
    var base: Double
    var weightDecay: Double
    /// One for each of PyTorch's groups.
    var groups: [ParameterGroup]
    var hasSchedule: Bool
  }

  /// Throws ``DescentError`` for an invalid rate.
  init(
    _ given: [PyTorchOptimizer.Group], _ defaults: PyTorchOptimizer.Base?, own: Own? = nil
  ) throws {
    for (name, value) in given.flatMap(\.numbers) + (defaults?.numbers ?? [])
    where !(value.isFinite && value >= 0) {
      throw DescentError.value(
        of: name, given: "\(value)", allowed: "finite and at least 0")
    }
    let current = given.map(\.lr)
    let initial = given.map { $0.initialRate ?? $0.lr }
    let progress = Self.ratio(of: current, to: initial)
    let isInitial = progress != nil || own?.hasSchedule == true && initial.contains { $0 > 0 }
    let rates = isInitial ? initial : current
    let (unit, factors) = Self.unit(rates, defaults?.lr, own)

    if own?.hasSchedule == true || progress == 1 || !isInitial {
      rate = unit
    } else {
      // Exactly PyTorch's where the factor is 1.
      let place = factors.indices.max { factors[$0] < factors[$1] }
      rate = place.flatMap { factors[$0] > 0 ? current[$0] / factors[$0] : nil } ?? 0
    }
    base = isInitial ? unit : Self.unit(initial, defaults?.lr, own).unit
    let decays = given.map { $0.weightDecay ?? 0 }
    weightDecay = Self.weightDecay(decays, defaults?.weightDecay, own)

    var groups: [ParameterGroup] = []
    for (index, group) in given.enumerated() {
      var settings = ParameterGroup(learningRateFactor: factors[index])
      let follows = own.map { $0.groups[index].weightDecay == nil } ?? true
      if decays[index] != weightDecay || !follows { settings.weightDecay = decays[index] }
      var kept = ParameterGroup.PyTorch(base: base, group)
      if isInitial { kept.initialRate = nil }
      if kept != ParameterGroup.PyTorch(base: base) { settings.pyTorch = kept }
      groups.append(settings)
    }
    self.groups = groups
  }

  /// What the rates are factors to, and the factors.
  private static func unit(
    _ rates: [Double], _ given: Double?, _ own: Own?
  ) -> (unit: Double, factors: [Double]) {
    let highest = rates.max() ?? 0
    let factors = own?.groups.map(\.learningRateFactor)
    if highest == 0 { return (own?.base ?? 0, factors ?? rates.map { _ in 1 }) }
    let candidates = [given, own?.base].compactMap { $0 }.filter { $0 > 0 }
    if let factors, let unit = ratio(of: rates, to: factors) {
      // Without the rounding of a product where that is known.
      return (candidates.first { isClose($0, unit) } ?? unit, factors)
    }
    let base = own?.base ?? 0
    let isOwn = base > 0 && rates.contains { isClose($0, base) }
    let unit = given.flatMap { $0 > 0 ? $0 : nil } ?? (isOwn ? base : highest)
    return (unit, rates.map { $0 / unit })
  }

  private static func weightDecay(_ decays: [Double], _ given: Double?, _ own: Own?) -> Double {
    if let own {
      let following = Set(
        zip(decays, own.groups).filter { $1.weightDecay == nil }.map { $0.0 })
      if let decay = following.first, following.count == 1 { return decay }
    }
    if let given { return given }
    if let decay = own?.weightDecay, decays.contains(decay) { return decay }
    return decays.max() ?? own?.weightDecay ?? 0
  }

  /// The number that makes `a` of `b`, but for rounding; nil if there is none.
  private static func ratio(of a: [Double], to b: [Double]) -> Double? {
    guard let place = b.indices.max(by: { b[$0] < b[$1] }), b[place] > 0 else {
      return a.allSatisfy { $0 == 0 } ? 0 : nil
    }
    let ratio = a[place] / b[place]
    return zip(a, b).allSatisfy { isClose($0, ratio * $1) } ? ratio : nil
  }

  /// Equal but for what the products of a long schedule round.
  private static func isClose(_ a: Double, _ b: Double) -> Bool {
    abs(a - b) <= 1e-9 * max(abs(a), abs(b))
  }
}

extension ParameterGroup {
  /// What PyTorch's schedulers keep in a group and nothing here uses. It goes back as it came,
  /// rates in proportion to the base rate of the run.
  struct PyTorch: Hashable, Codable, Sendable {
    /// The base rate that the others belong to.
    var base: Double
    /// `initial_lr`, where it is not the base times the group's factor.
    var initialRate: Double?
    var maximumRate: Double?
    var minimumRate: Double?
    var maximumMomentum: Double?
    var baseMomentum: Double?

    init(base: Double) { self.base = base }

    init(base: Double, _ group: PyTorchOptimizer.Group) {
      self.base = base
      initialRate = group.initialRate
      (maximumRate, minimumRate) = (group.maximumRate, group.minimumRate)
      (maximumMomentum, baseMomentum) = (group.maximumMomentum, group.baseMomentum)
    }
  }

  /// Writes what PyTorch's schedulers go on from.
  func writeRates(to group: inout PyTorchOptimizer.Group, base: Double) {
    group.initialRate = base * learningRateFactor
    guard let pyTorch else { return }
    let scale = base == pyTorch.base || pyTorch.base <= 0 ? 1 : base / pyTorch.base
    if let initialRate = pyTorch.initialRate { group.initialRate = initialRate * scale }
    group.maximumRate = pyTorch.maximumRate.map { $0 * scale }
    group.minimumRate = pyTorch.minimumRate.map { $0 * scale }
    (group.maximumMomentum, group.baseMomentum) = (pyTorch.maximumMomentum, pyTorch.baseMomentum)
  }
}

extension OptimizerStatus {
  /// The rule's rate for PyTorch: of the coming step, as a scheduler would have left it, and of the
  /// run. A run whose rule has a rate of 0 has its schedule's.
  var ratesForPyTorch: (coming: Double, base: Double) {
    let coming = schedule?.learningRate(after: stepCount) ?? rule.learningRate
    let base = baseLearningRate ?? rule.learningRate
    return (coming, base > 0 ? base : coming)
  }
}

extension PyTorchOptimizer.Group {
  /// The rates by PyTorch's names.
  fileprivate var numbers: [(String, Double)] {
    let all = [
      ("initial_lr", initialRate), ("max_lr", maximumRate), ("min_lr", minimumRate),
      ("max_momentum", maximumMomentum), ("base_momentum", baseMomentum),
    ]
    return all.compactMap { name, value in value.map { (name, $0) } }
  }
}

extension PyTorchOptimizer.Base {
  fileprivate var numbers: [(String, Double)] {
    [("lr", lr)] + (weightDecay.map { [("weight_decay", $0)] } ?? [])
  }
}
