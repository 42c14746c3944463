internal import DescentKernels

/// What happens around the update in a step: clipping, skipping, the loss scale, zeroing.
struct StepControl: Equatable {
  var clipping: Clipping?
  /// By the groups' places in the layout's list; nil where a group follows the optimizer.
  var groupClipping: [Clipping?] = []
  var skipsNonFinite = false
  var lossScale: LossScale?
  /// The groups that norms leave out.
  var isFrozen: [Bool] = []
  /// By tensor: whether the step leaves it out. Empty where it leaves out none.
  var leftOut: [Bool] = []

  /// Whether the gradient has to be looked at before the update.
  var looks: Bool {
    skipsNonFinite || lossScale != nil || clipping?.isNorm == true
      || groupClipping.contains { $0?.isNorm == true }
  }

  /// Whether both take the same norms, of the same tensors. How the loss scale moves is no part of
  /// a norm, and a scale that optimizers share is set at every step.
  func takesNorms(like other: StepControl) -> Bool {
    looks == other.looks && clipping == other.clipping && groupClipping == other.groupClipping
      && isFrozen == other.isFrozen && leftOut == other.leftOut
  }

  /// A group's own clipping.
  func ownClipping(ofGroup group: Int) -> Clipping? {
    groupClipping.isEmpty ? nil : groupClipping[group]
  }

  func clipping(ofGroup group: Int) -> Clipping? { ownClipping(ofGroup: group) ?? clipping }

  /// The parameters of the decision. A norm that is not finite skips the step, whatever the norms
  /// are used for.
  var decision: descent_decision {
    descent_decision(
      growthFactor: Float(lossScale?.growthFactor ?? 1),
      backoffFactor: Float(lossScale?.backoffFactor ?? 1),
      minimum: Float(lossScale?.minimumScale ?? 1), maximum: Float(lossScale?.maximumScale ?? 1),
      growthInterval: UInt32(lossScale?.growthInterval ?? 0), skips: 1)
  }
}

/// Which tensors a step clips together. Sets of one tensor and of many are alike; every tensor
/// belongs to one, and the last list is of all tensors.
struct ClipSets {
  /// By tensor: the set that it belongs to.
  let setOfTensor: [Int]
  /// The tensors of each set, and at the end of all that are looked at.
  let members: [[Int]]
  /// By set: the greatest norm, and ε.
  let limits: [(limit: Float, epsilon: Float)]

  init(_ layout: ParameterLayout, _ control: StepControl) {
    let groups = Dictionary(uniqueKeysWithValues: zip(layout.groupNames, layout.groupNames.indices))
    var members: [[Int]] = [[]]
    // The first set is not clipped; the second, if there is one, is the model's.
    var limits: [(limit: Float, epsilon: Float)] = [(.infinity, 0)]
    var sets: [Int?: Int] = [:]
    var all: [Int] = []
    var setOfTensor: [Int] = []
    for (index, tensor) in layout.tensors.enumerated() {
      guard let group = groups[tensor.group] else { continue }
      let isIdle = control.isFrozen[group] || !control.leftOut.isEmpty && control.leftOut[index]
      if !isIdle { all.append(index) }
      var set = 0
      if !isIdle, let clipping = control.clipping(ofGroup: group), clipping.isNorm {
        let own = control.ownClipping(ofGroup: group) == nil ? nil : Optional(group)
        var known = sets[own]
        if case .tensorNorm = clipping { known = nil }
        if known == nil {
          members.append([])
          limits.append((Float(clipping.normLimit.limit), Float(clipping.normLimit.epsilon)))
          sets[own] = members.count - 1
        }
        set = known ?? members.count - 1
      }
      members[set].append(index)
      setOfTensor.append(set)
    }
    self.setOfTensor = setOfTensor
    self.members = members + [all]
    self.limits = limits
  }
}
