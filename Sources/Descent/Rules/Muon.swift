/// Muon (Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982): momentum whose step is
/// orthogonalized. For matrices, as the hidden layers of a network have them.
///
///     b ← γ b + g
///     u = γ b + g
///     O = u/(‖u‖ + ε), its singular values brought near 1 by ``NewtonSchulz``
///     x ← x − η A O
///
/// A tensor of more than two sizes is a matrix too, its first size by the product of the others: so
/// a convolution has a row for each output channel. Give vectors, embeddings and the last layer to
/// another rule in a group of its own; a vector is refused:
///
///     Optimizer(Muon(), layout: layout, rules: ["others": AdamW()])
///
/// | form | flags | who |
/// |---|---|---|
/// | A = √max(1, h/w) for h rows and w columns | none | Jordan et al. |
/// | A = √max(1, w/h), for layouts with inputs first | `inputsFirst` | Optax |
/// | A = κ√max(h, w) | `rmsRate` κ | Liu et al., Keras, PyTorch's `match_rms_adamw` |
/// | A = 1 | `adjustsRate` false | Keras with `rms_rate=None` |
/// | b ← γb + (1−γ)g; u = γb + (1−γ)g | `exponentialAverage` | Jordan et al., PyTorch |
/// | u = b | `nesterov` false | |
///
/// The iteration ignores the length of u, so both buffers differ only by ε. It is computed in
/// Float, where Jordan's and PyTorch's are in bfloat16: singular values are between about 0.7 and
/// 1.2 either way, and results differ by one or two percent.
///
/// For each matrix of a shorter side s and a longer side w, five steps of the iteration cost
/// 15s²w + 5s³ multiplications and additions, or 6s²w + 14s³ where w is at least 1.5 s. The
/// optimizer keeps u, which is not saved, as a second vector, and has a workspace for the
/// iteration.
///
/// Where the norm of u is more than a Float, though its elements are not, there is no step.
///
/// The same rule for devices: Kernels/rules/muon.cl, Kernels/matrix.cl.
public struct Muon: UpdateRule {
  public static let name = "muon"

  public var learningRate = 0.02
  /// γ.
  public var momentum = 0.95
  /// Steps along γb + g instead of b.
  public var nesterov = true
  /// The gradient enters the buffer times 1 − γ.
  public var exponentialAverage = false
  /// Divides averages by 1 − γᵗ, so that they start unbiased.
  public var biasCorrection = false
  /// Added to the norm.
  public var epsilon = 1e-7
  /// a of ``NewtonSchulz``. The coefficients and the number of steps stay for a run.
  public var newtonSchulzA = 3.4445
  /// b of ``NewtonSchulz``.
  public var newtonSchulzB = -4.775
  /// c of ``NewtonSchulz``.
  public var newtonSchulzC = 2.0315
  /// Steps of the iteration, a whole number from 1 to 99.
  public var newtonSchulzSteps = 5.0
  /// κ: A is κ√max(h, w), so that the step has about this root mean square.
  public var rmsRate: Double?
  /// A depends on the matrix' shape.
  public var adjustsRate = true
  /// A is √max(1, w/h) rather than √max(1, h/w).
  public var inputsFirst = false
  /// λ. It is decoupled.
  public var weightDecay = 0.0
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.02, momentum: Double = 0.95, nesterov: Bool = true,
    exponentialAverage: Bool = false, biasCorrection: Bool = false, epsilon: Double = 1e-7,
    newtonSchulzA: Double = 3.4445, newtonSchulzB: Double = -4.775,
    newtonSchulzC: Double = 2.0315, newtonSchulzSteps: Double = 5, rmsRate: Double? = nil,
    adjustsRate: Bool = true, inputsFirst: Bool = false, weightDecay: Double = 0,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
    self.exponentialAverage = exponentialAverage
    self.biasCorrection = biasCorrection
    self.epsilon = epsilon
    self.newtonSchulzA = newtonSchulzA
    self.newtonSchulzB = newtonSchulzB
    self.newtonSchulzC = newtonSchulzC
    self.newtonSchulzSteps = newtonSchulzSteps
    self.rmsRate = rmsRate
    self.adjustsRate = adjustsRate
    self.inputsFirst = inputsFirst
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .flag("nesterov", \.nesterov),
    .flag("exponentialAverage", \.exponentialAverage),
    .flag("biasCorrection", \.biasCorrection),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("newtonSchulzA", \.newtonSchulzA, .atLeastZero),
    .number("newtonSchulzB", \.newtonSchulzB, .atMostZero),
    .number("newtonSchulzC", \.newtonSchulzC, .atLeastZero),
    .number("newtonSchulzSteps", \.newtonSchulzSteps, .aboveZero),
    .optional("rmsRate", \.rmsRate, .atLeastZero),
    .flag("adjustsRate", \.adjustsRate),
    .flag("inputsFirst", \.inputsFirst),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", true),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    if newtonSchulzSteps != newtonSchulzSteps.rounded() || newtonSchulzSteps > 99 {
      return "newtonSchulzSteps is a whole number from 1 to 99, not \(newtonSchulzSteps)"
    }
    if rmsRate != nil && (!adjustsRate || inputsFirst) {
      return "with rmsRate the rate depends on the longer side, whichever that is"
    }
    if inputsFirst && !adjustsRate {
      return "inputsFirst is for a rate that depends on the shape"
    }
    if biasCorrection && !exponentialAverage { return "biasCorrection is for an average" }
    return nil
  }

  public var appliedDecay: WeightDecay { .decoupled(weightDecay) }
  public var kernel: String { "muon" }
  public var states: [StateSpec] {
    [
      StateSpec("b"), StateSpec("update", isSaved: false),
      StateSpec("norm", .tensor, isSaved: false),
      StateSpec("rows", .tensor, start: .firstSize, isSaved: false),
      StateSpec("columns", .tensor, start: .otherSizes, isSaved: false),
      StateSpec("rate", .tensor, isSaved: false),
    ]
  }
  /// The iteration of the hyper-parameters.
  private var iteration: NewtonSchulz {
    // Programs are made before hyper-parameters are validated.
    let steps = Int(exactly: newtonSchulzSteps.rounded()) ?? 1
    return NewtonSchulz(
      a: newtonSchulzA, b: newtonSchulzB, c: newtonSchulzC, steps: min(max(1, steps), 99))
  }
  public var passes: [RulePass] {
    [
      RulePass(
        .sums([RuleSum(.norm, into: "norm")]), kernel: "muon_sums",
        reading: [.gradients, .state("b")]),
      RulePass(.numbers(.tensor), kernel: "muon_numbers"),
      RulePass(iteration, of: "update", dividedBy: "norm"),
      RulePass(
        .elements, kernel: kernel, reading: [.parameters, .state("update")], writesStates: false),
    ]
  }
  /// An average of gradients is no sum of them; and passes stay for a run.
  public var stateMeaning: String {
    let iteration = iteration
    return kernel + (exponentialAverage ? " of averages" : "")
      + " with \(iteration.steps) steps of \(iteration.a), \(iteration.b), \(iteration.c)"
  }

  /// Factors as in muon.cl.
  public struct Scalars<T: BinaryFloatingPoint> {
    let momentum, gain, momentGain, gradientGain, epsilon, rate, form: T

    func update(_ g: T, _ b: inout T) -> T {
      b = momentum * b + gain * g
      return gradientGain == 0 ? momentGain * b : momentGain * b + gradientGain * g
    }

    /// The divisor in place of the norm, and the rate of a matrix.
    func numbers(_ norm: inout T, _ rows: T, _ columns: T, _ rate: inout T) {
      let divisor = norm + epsilon
      norm = divisor > 0 ? divisor : 1
      let ratio: T =
        switch form {
        case 1: rows / columns
        case 2: columns / rows
        case 3: rows > columns ? rows : columns
        default: 1
        }
      rate = self.rate * (ratio > 1 ? ratio : 1).squareRoot()
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let gain = exponentialAverage ? 1 - momentum : 1
    let correction = biasCorrection ? oneMinusPower(momentum, step) : 1
    let ofNext = biasCorrection ? oneMinusPower(momentum, step + 1) : 1
    let form = rmsRate != nil ? 3.0 : !adjustsRate ? 0 : inputsFirst ? 2 : 1
    return Scalars(
      momentum: T(momentum), gain: T(gain),
      momentGain: T(nesterov ? momentum / ofNext : 1 / correction),
      gradientGain: T(nesterov ? gain / correction : 0), epsilon: T(epsilon),
      rate: T(learningRate * (rmsRate ?? 1)), form: T(form))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass {
    case 0:
      elements.sum { _, g, state, _, term in
        state[1] = s.update(g, &state[0])
        term[0] = state[1]
      }
    case 1: elements.each { own, _ in s.numbers(&own[0], own[1], own[2], &own[3]) }
    default: elements.updateWithNumbers { _, _, state, number in number[3] * state[1] }
    }
  }

  public static let variants = [
    RuleVariant("muon", Muon(), digest: 0x15b4_4022_b70f_dcd5),
    RuleVariant(
      "muon pytorch", Muon.pyTorch(learningRate: 0.02, matchesAdamWRMS: true),
      digest: 0x2f78_36d8_e9b2_07fa),
    RuleVariant(
      "muon optax", Muon.optax(learningRate: 0.02, weightDecay: 0.01), digest: 0x7bad_709f_298c_a237
    ),
    RuleVariant(
      "muon plain",
      Muon(
        momentum: 0.9, nesterov: false, epsilon: 0, newtonSchulzA: 3, newtonSchulzB: -3.2,
        newtonSchulzC: 1.2, newtonSchulzSteps: 4, adjustsRate: false, maximize: true),
      digest: 0xf963_5b2e_c8e0_afc0),
  ]
}

extension Muon {
  /// Keller Jordan's `Muon`.
  public static func kellerJordan(
    learningRate: Double = 0.02, momentum: Double = 0.95, nesterov: Bool = true,
    newtonSchulzSteps: Int = 5, weightDecay: Double = 0
  ) -> Muon {
    Muon(
      learningRate: learningRate, momentum: momentum, nesterov: nesterov, exponentialAverage: true,
      newtonSchulzSteps: Double(newtonSchulzSteps), weightDecay: weightDecay)
  }

  /// `torch.optim.Muon`, but that it divides by max(‖u‖, ε) where this is ‖u‖ + ε: they differ
  /// where the norm is near ε. `matchesAdamWRMS` is `adjust_lr_fn="match_rms_adamw"` rather than
  /// `"original"`.
  public static func pyTorch(
    learningRate: Double = 1e-3, weightDecay: Double = 0.1, momentum: Double = 0.95,
    nesterov: Bool = true, epsilon: Double = 1e-7, newtonSchulzSteps: Int = 5,
    matchesAdamWRMS: Bool = false
  ) -> Muon {
    Muon(
      learningRate: learningRate, momentum: momentum, nesterov: nesterov, exponentialAverage: true,
      epsilon: epsilon, newtonSchulzSteps: Double(newtonSchulzSteps),
      rmsRate: matchesAdamWRMS ? 0.2 : nil, weightDecay: weightDecay)
  }

  /// `keras.optimizers.Muon`'s matrices; nil for `rmsRate` is `rms_rate=None`.
  public static func keras(
    learningRate: Double = 1e-3, weightDecay: Double = 0.004, momentum: Double = 0.95,
    nesterov: Bool = true, epsilon: Double = 1e-7, newtonSchulzSteps: Int = 5,
    rmsRate: Double? = 0.2
  ) -> Muon {
    Muon(
      learningRate: learningRate, momentum: momentum, nesterov: nesterov, epsilon: epsilon,
      newtonSchulzSteps: Double(newtonSchulzSteps), rmsRate: rmsRate, adjustsRate: rmsRate != nil,
      weightDecay: weightDecay)
  }

  /// `optax.contrib.muon`'s matrices, which has no default rate; `consistentRMS` is its
  /// `consistent_rms`.
  public static func optax(
    learningRate: Double, momentum: Double = 0.95, nesterov: Bool = true, epsilon: Double = 1e-8,
    newtonSchulzSteps: Int = 5, consistentRMS: Double? = nil, weightDecay: Double = 0
  ) -> Muon {
    Muon(
      learningRate: learningRate, momentum: momentum, nesterov: nesterov, exponentialAverage: true,
      biasCorrection: true, epsilon: epsilon, newtonSchulzSteps: Double(newtonSchulzSteps),
      rmsRate: consistentRMS, inputsFirst: consistentRMS == nil, weightDecay: weightDecay)
  }
}
