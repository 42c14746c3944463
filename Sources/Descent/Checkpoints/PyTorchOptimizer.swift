internal import Safetensors

/// A PyTorch optimizer as a checkpoint's metadata describes it: `state_dict()["param_groups"]` with
/// parameters by name, and the steps that each has taken.
///
/// - `pytorch.version`: `1`.
/// - `pytorch.optimizer`: `{"base":{"lr":0.001,"weight_decay":0},"class":"Adam","groups":[{"betas":
///   [0.9,0.999],"eps":1e-08,"initial_lr":0.001,"lr":0.0005,"params":["weight"],…}],"steps":
///   {"weight":10}}`. `lr` is the rate of the coming step and `initial_lr` that of the run, which
///   schedulers multiply. ``PyTorchRates`` says how these become a rule's rate and factors to it.
///   NAdam's `mu_product` is a number for each parameter, as the steps are:
///   `"mu_product":{"weight":0.0017}`.
/// - `pytorch.grad_scaler`: `GradScaler.state_dict()`, where there is one.
struct PyTorchOptimizer: Codable, Sendable {
  static let prefix = "pytorch."
  static let versionKey = prefix + "version"
  static let optimizerKey = prefix + "optimizer"
  static let scalerKey = prefix + "grad_scaler"

  var className: String
  /// The optimizer's own rate and decay, which groups may replace; nil in a file that does not say.
  var base: Base?
  var groups: [Group]
  var steps: [String: Int]
  /// NAdam's, by parameter; nil for other classes.
  var muProducts: [String: Double]?
  /// An entry of its own.
  var scaler: Scaler?

  /// What each class does not have is nil.
  struct Group: Codable {
    var params: [String] = []
    var name: String?
    var lr: Double
    var initialRate: Double?
    /// What OneCycleLR keeps in a group.
    var maximumRate: Double?
    var minimumRate: Double?
    var maximumMomentum: Double?
    var baseMomentum: Double?
    var weightDecay: Double?
    var maximize: Bool?
    var epsilons: Epsilons?
    var betas: [Double]?
    var amsgrad: Bool?
    var decoupledWeightDecay: Bool?
    var momentum: Double?
    var dampening: Double?
    var nesterov: Bool?
    var alpha: Double?
    var centered: Bool?
    var rho: Double?
    var lrDecay: Double?
    var initialAccumulator: Double?
    var momentumDecay: Double?
    var etas: [Double]?
    var stepSizes: [Double]?
    var newtonSchulzCoefficients: [Double]?
    var newtonSchulzSteps: Int?
    var rateAdjustment: String?
    var beta2Decay: Double?
    var threshold: Double?

    /// ε, where it is one number.
    var eps: Double? {
      get { if case .one(let epsilon) = epsilons { epsilon } else { nil } }
      set { epsilons = newValue.map { .one($0) } }
    }

    private enum CodingKeys: String, CodingKey {
      case params, name, lr, maximize, betas, amsgrad, momentum, dampening, nesterov, alpha
      case centered, rho, etas
      case initialRate = "initial_lr"
      case maximumRate = "max_lr"
      case minimumRate = "min_lr"
      case maximumMomentum = "max_momentum"
      case baseMomentum = "base_momentum"
      case weightDecay = "weight_decay"
      case decoupledWeightDecay = "decoupled_weight_decay"
      case lrDecay = "lr_decay"
      case initialAccumulator = "initial_accumulator_value"
      case momentumDecay = "momentum_decay"
      case stepSizes = "step_sizes"
      case newtonSchulzCoefficients = "ns_coefficients"
      case newtonSchulzSteps = "ns_steps"
      case rateAdjustment = "adjust_lr_fn"
      case epsilons = "eps"
      case beta2Decay = "beta2_decay"
      case threshold = "d"
    }

    init(lr: Double) { self.lr = lr }
  }

  /// Adafactor's are two, of which the first may be left to the parameters' type.
  enum Epsilons: Codable {
    case one(Double)
    case two([Double?])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        self = .one(number)
      } else {
        self = .two(try container.decode([Double?].self))
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .one(let number): try container.encode(number)
      case .two(let numbers): try container.encode(numbers)
      }
    }
  }

  struct Base: Codable {
    var lr: Double
    var weightDecay: Double?

    private enum CodingKeys: String, CodingKey {
      case lr
      case weightDecay = "weight_decay"
    }
  }

  struct Scaler: Codable {
    var scale: Double
    var growthFactor: Double
    var backoffFactor: Double
    var growthInterval: Int
    var growthTracker: Int

    private enum CodingKeys: String, CodingKey {
      case scale
      case growthFactor = "growth_factor"
      case backoffFactor = "backoff_factor"
      case growthInterval = "growth_interval"
      case growthTracker = "_growth_tracker"
    }
  }

  private enum CodingKeys: String, CodingKey {
    case className = "class"
    case base, groups, steps
    case muProducts = "mu_product"
  }

  /// PyTorch's name for a state of a rule.
  static func stateName(_ state: String, of rule: any UpdateRule) throws(CheckpointError) -> String
  {
    let names: [String: String] =
      switch rule {
      case is Momentum: ["b": "momentum_buffer"]
      case is AdaGrad: ["sum": "sum"]
      case is RMSProp: ["v": "square_avg", "gavg": "grad_avg", "b": "momentum_buffer"]
      case is AdaDelta: ["v": "square_avg", "d": "acc_delta"]
      case is Adam, is AdamW: ["m": "exp_avg", "v": "exp_avg_sq"]
      case is AMSGrad: ["m": "exp_avg", "v": "exp_avg_sq", "vmax": "max_exp_avg_sq"]
      case is AdaMax: ["m": "exp_avg", "u": "exp_inf"]
      case is NAdam, is RAdam: ["m": "exp_avg", "v": "exp_avg_sq"]
      case is Rprop: ["prevGrad": "prev", "stepSize": "step_size"]
      case is Muon: ["b": "momentum_buffer"]
      default: [:]
      }
    guard let name = names[state] else {
      throw .interchange("PyTorch has no name for the state \(excerpt(state)) of \(rule.meaning)")
    }
    return name
  }
}

// MARK: Rules

extension PyTorchOptimizer {
  /// The rule that does what this class does with a group's settings.
  static func rule(_ className: String, _ group: Group) throws(CheckpointError) -> any UpdateRule {
    func need<Value>(_ value: Value?, _ name: String) throws(CheckpointError) -> Value {
      guard let value else {
        throw .interchange("\(excerpt(className)) of PyTorch needs \(name) in its groups")
      }
      return value
    }
    func pair(_ values: [Double]?, _ name: String) throws(CheckpointError) -> (Double, Double) {
      let values = try need(values, name)
      guard values.count == 2 else {
        throw .interchange("\(name) of PyTorch are \(values); allowed are two")
      }
      return (values[0], values[1])
    }
    let decay = group.weightDecay ?? 0
    let maximize = group.maximize ?? false
    switch className {
    case "SGD":
      let momentum = group.momentum ?? 0
      if momentum == 0 {
        return SGD(learningRate: group.lr, weightDecay: decay, maximize: maximize)
      }
      var rule = Momentum.pyTorch(
        learningRate: group.lr, momentum: momentum, dampening: group.dampening ?? 0,
        nesterov: group.nesterov ?? false, weightDecay: decay)
      rule.maximize = maximize
      return rule
    case "Adagrad":
      var rule = AdaGrad.pyTorch(
        learningRate: group.lr, learningRateDecay: group.lrDecay ?? 0, weightDecay: decay,
        initialAccumulator: group.initialAccumulator ?? 0, epsilon: try need(group.eps, "eps"))
      rule.maximize = maximize
      return rule
    case "RMSprop":
      var rule = RMSProp.pyTorch(
        learningRate: group.lr, decay: try need(group.alpha, "alpha"),
        epsilon: try need(group.eps, "eps"), weightDecay: decay, momentum: group.momentum ?? 0,
        centered: group.centered ?? false)
      rule.maximize = maximize
      return rule
    case "Adadelta":
      return AdaDelta(
        learningRate: group.lr, decay: try need(group.rho, "rho"),
        epsilon: try need(group.eps, "eps"), weightDecay: decay, maximize: maximize)
    case "Adam", "AdamW":
      let (beta1, beta2) = try pair(group.betas, "betas")
      let epsilon = try need(group.eps, "eps")
      let isDecoupled = className == "AdamW" || group.decoupledWeightDecay ?? false
      // Either class does the same with decoupled decay. Adam and AdamW go back as they came,
      // AMSGrad as AdamW, which older versions of PyTorch have too.
      if group.amsgrad ?? false {
        return AMSGrad(
          learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: epsilon,
          weightDecay: decay, decoupled: isDecoupled, maximize: maximize)
      }
      if className == "AdamW" {
        return AdamW(
          learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: epsilon,
          weightDecay: decay, maximize: maximize)
      }
      return Adam(
        learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: epsilon,
        weightDecay: decay, decoupled: isDecoupled, maximize: maximize)
    case "Adamax":
      let (beta1, beta2) = try pair(group.betas, "betas")
      return AdaMax(
        learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: try need(group.eps, "eps"),
        epsilonInsideMaximum: true, weightDecay: decay, maximize: maximize)
    case "NAdam":
      let (beta1, beta2) = try pair(group.betas, "betas")
      return NAdam(
        learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: try need(group.eps, "eps"),
        momentumDecay: try need(group.momentumDecay, "momentum_decay"), weightDecay: decay,
        decoupled: group.decoupledWeightDecay ?? false, maximize: maximize)
    case "RAdam":
      let (beta1, beta2) = try pair(group.betas, "betas")
      return RAdam(
        learningRate: group.lr, beta1: beta1, beta2: beta2, epsilon: try need(group.eps, "eps"),
        epsilonBeforeCorrection: true, weightDecay: decay,
        decoupled: group.decoupledWeightDecay ?? false, maximize: maximize)
    case "Rprop":
      let (decrease, increase) = try pair(group.etas, "etas")
      let (least, most) = try pair(group.stepSizes, "step_sizes")
      return Rprop(
        learningRate: group.lr, decreaseFactor: decrease, increaseFactor: increase,
        minimumStep: least, maximumStep: most, maximize: maximize)
    case "Muon": return try muon(group)
    case "Adafactor": return try adafactor(group)
    case "ASGD":
      throw .interchange(
        "ASGD of PyTorch is SGD with a rate that falls and an average of the parameters, which "
          + "here are the run's and not the rule's; allowed is SGD with a schedule and "
          + "Optimizer.averaging")
    default:
      throw .interchange(
        "\(excerpt(className)) of PyTorch is not known here; allowed are SGD, Adagrad, RMSprop, "
          + "Adadelta, Adam, AdamW, Adamax, NAdam, RAdam, Rprop, Muon and Adafactor")
    }
  }

  private static func adafactor(_ group: Group) throws(CheckpointError) -> Adafactor {
    guard case .two(let epsilons) = group.epsilons, epsilons.count == 2,
      let epsilon2 = epsilons[1], let decay = group.beta2Decay, let threshold = group.threshold
    else {
      throw .interchange(
        "\"Adafactor\" of PyTorch needs beta2_decay, d and two eps in its groups")
    }
    // What PyTorch takes for float32 where there is no first one.
    return Adafactor(
      learningRate: group.lr, beta2Decay: decay, epsilon1: epsilons[0] ?? 0x1p-23,
      epsilon2: epsilon2, clippingThreshold: threshold, weightDecay: group.weightDecay ?? 0,
      maximize: group.maximize ?? false)
  }

  private static func muon(_ group: Group) throws(CheckpointError) -> Muon {
    let coefficients = group.newtonSchulzCoefficients ?? []
    guard coefficients.count == 3, let steps = group.newtonSchulzSteps, let epsilon = group.eps,
      let momentum = group.momentum
    else {
      throw .interchange(
        "\"Muon\" of PyTorch needs momentum, eps, ns_steps and three ns_coefficients in its groups")
    }
    let adjustment = group.rateAdjustment ?? "original"
    guard ["original", "match_rms_adamw"].contains(adjustment) else {
      throw .interchange(
        "adjust_lr_fn of PyTorch is \(excerpt(adjustment)); allowed are original and "
          + "match_rms_adamw")
    }
    var rule = Muon.pyTorch(
      learningRate: group.lr, weightDecay: group.weightDecay ?? 0, momentum: momentum,
      nesterov: group.nesterov ?? true, epsilon: epsilon,
      matchesAdamWRMS: adjustment == "match_rms_adamw")
    rule.newtonSchulzSteps = Double(steps)
    (rule.newtonSchulzA, rule.newtonSchulzB, rule.newtonSchulzC) = (
      coefficients[0], coefficients[1], coefficients[2]
    )
    return rule
  }

  /// The class and the group's settings that do what a rule does. Throws if there are none.
  static func description(
    _ rule: any UpdateRule
  ) throws(CheckpointError) -> (className: String, group: Group) {
    var group = Group(lr: rule.learningRate)
    (group.weightDecay, group.maximize) = (rule.weightDecay, rule.maximize)
    let className: String
    func take(_ adam: Adam, amsgrad: Bool) {
      (group.betas, group.eps) = ([adam.beta1, adam.beta2], adam.epsilon)
      group.amsgrad = amsgrad
    }
    switch rule {
    case is SGD:
      className = "SGD"
      (group.momentum, group.dampening, group.nesterov) = (0, 0, false)
    case let rule as Momentum:
      className = "SGD"
      (group.momentum, group.dampening) = (rule.momentum, rule.dampening)
      group.nesterov = rule.nesterov
    case let rule as AdaGrad:
      className = "Adagrad"
      (group.lrDecay, group.eps) = (rule.learningRateDecay, rule.epsilon)
      group.initialAccumulator = rule.initialAccumulator
    case let rule as RMSProp:
      className = "RMSprop"
      (group.alpha, group.eps) = (rule.decay, rule.epsilon)
      (group.momentum, group.centered) = (rule.momentum, rule.centered)
    case let rule as AdaDelta:
      className = "Adadelta"
      (group.rho, group.eps) = (rule.decay, rule.epsilon)
    case let rule as Adam:
      className = "Adam"
      group.decoupledWeightDecay = rule.decoupled
      take(rule, amsgrad: false)
    case let rule as AdamW:
      className = "AdamW"
      take(rule.adam, amsgrad: false)
    case let rule as AMSGrad:
      className = rule.decoupled ? "AdamW" : "Adam"
      take(rule.adam, amsgrad: true)
    case let rule as AdaMax:
      className = "Adamax"
      (group.betas, group.eps) = ([rule.beta1, rule.beta2], rule.epsilon)
    case let rule as NAdam:
      className = "NAdam"
      (group.betas, group.eps) = ([rule.beta1, rule.beta2], rule.epsilon)
      group.momentumDecay = rule.momentumDecay
      group.decoupledWeightDecay = rule.decoupled
    case let rule as RAdam:
      className = "RAdam"
      (group.betas, group.eps) = ([rule.beta1, rule.beta2], rule.epsilon)
      group.decoupledWeightDecay = rule.decoupled
    case let rule as Rprop:
      className = "Rprop"
      group.etas = [rule.decreaseFactor, rule.increaseFactor]
      group.stepSizes = [rule.minimumStep, rule.maximumStep]
      group.weightDecay = nil
    case let rule as Adafactor:
      className = "Adafactor"
      (group.beta2Decay, group.threshold) = (rule.beta2Decay, rule.clippingThreshold)
      group.epsilons = .two([rule.epsilon1, rule.epsilon2])
    case let rule as Muon:
      className = "Muon"
      (group.momentum, group.nesterov, group.eps) = (rule.momentum, rule.nesterov, rule.epsilon)
      group.newtonSchulzSteps = Int(exactly: rule.newtonSchulzSteps)
      group.newtonSchulzCoefficients = [
        rule.newtonSchulzA, rule.newtonSchulzB, rule.newtonSchulzC,
      ]
      group.rateAdjustment = rule.rmsRate == nil ? "original" : "match_rms_adamw"
      group.maximize = nil
    default: className = ""
    }
    // Whatever PyTorch does not have is not what it was on the way back.
    let name = type(of: rule).name
    guard !className.isEmpty else {
      throw .interchange("PyTorch has no optimizer for these settings of \(name): \(rule)")
    }
    let (own, returned) = (settings(rule), settings(try self.rule(className, group)))
    let different = Set(own.keys).union(returned.keys).filter { own[$0] != returned[$0] }
    guard different.isEmpty && !own.isEmpty else {
      throw .interchange(
        "torch.optim.\(className) does not support these settings of \(name): "
          + different.sorted().map { "\($0) \(own[$0]?.text ?? "none")" }.joined(separator: ", "))
    }
    return (className, group)
  }

  private static func settings(_ rule: any UpdateRule) -> [String: JSONValue] {
    guard case .object(let values)? = try? JSONValue(encoding: rule) else { return [:] }
    return values
  }
}
