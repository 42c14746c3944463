import DescentKernels
import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Descent

/// What holds for every rule, and is found for each by itself.
@Suite struct RuleTests {
  static let variants = AgreementTests.variants

  /// The members of a rule file's scalars, in order.
  private func scalarNames(in text: String) throws -> [String] {
    let end = try #require(text.range(of: "} SCALARS;"))
    let start = try #require(
      text.range(
        of: "typedef struct {", options: .backwards, range: text.startIndex..<end.lowerBound))
    return text[start.upperBound..<end.lowerBound]
      .replacingOccurrences(of: "float", with: "").split { " ,;\n".contains($0) }.map(String.init)
  }

  private func members(_ scalars: some Any) -> [String] {
    Mirror(reflecting: scalars).children.compactMap(\.label)
  }

  @Test("a rule is printed with its hyper-parameters")
  func printed() {
    #expect(
      "\(SGD(learningRate: 0.5))"
        == "sgd(learningRate: 0.5, weightDecay: 0.0, decoupled: false, maximize: false)")
    #expect("\(AdamW())".contains(", decoupled: true"))
    var rule = Nesterov()
    #expect(!"\(rule)".contains("nextMomentum"))
    rule.nextMomentum = 0.5
    #expect("\(rule)".contains("nextMomentum: 0.5"))
  }

  @Test("Swift's scalars are the rule file's, field by field", arguments: variants)
  func scalars(_ variant: RuleVariant) throws {
    func check<Rule: UpdateRule>(_ rule: Rule) throws {
      let compiled = try CompiledRule(rule.kernel)
      let (inSwift, inFile) = (members(rule.scalars(at: 1)), try scalarNames(in: compiled.text))
      #expect(inSwift == inFile)
      #expect(MemoryLayout<Rule.KernelScalars>.size == compiled.scalarsSize)
    }
    try check(variant.rule)
  }

  @Test("a rule file's options are its own, by name and bit, and its variants are made of them")
  func options() throws {
    for (file, rules) in Dictionary(grouping: CompiledRule.all, by: \.file) {
      let lines = rules[0].text.split(separator: "\n").map { $0.split(separator: " ") }
      var bits: [Substring: Int] = [:]
      for words in lines where words.first == "#define" {
        try #require(words.count == 3, "\(file): \(words)")
        #expect(words[1].hasPrefix(file.dropLast(3).uppercased() + "_"), "\(file): \(words[1])")
        let bit = try #require(Int(words[2]))
        bits[words[1]] = bit
      }
      #expect(bits.values.sorted() == bits.indices.enumerated().map { 1 << $0.offset }, "\(file)")
      let asked = lines.filter { $0.first == "#if" || $0.first == "#elif" }.map { $0.dropFirst() }
      #expect(Set(asked) == Set(bits.keys.map { ["VARIANT", "&", $0] }), "\(file)")
      #expect(rules.reduce(0) { $0 | $1.variant } == bits.values.reduce(0, +), "\(file)")
      #expect(Set(rules.map(\.variant)).count == rules.count, "\(file)")
    }
  }

  @Test("rule files call nothing but what every device rounds alike")
  func allowedFunctions() throws {
    let call = try Regex(#"\b([A-Za-z_]\w*)\s*\("#, as: (Substring, Substring).self)
    let double = try Regex(#"\b\d+\.\d*(?![\dfe])|\bdouble\b"#)
    let allowed: Set<Substring> = [
      "sqrt", "RULE", "prepare", "stepped", "quotient", "is_plain", "plain", "if", "float", "lanes",
    ]
    func complaints(_ text: String) -> [String] {
      text.split(separator: "\n").filter { !$0.hasPrefix("//") }.flatMap { line in
        let code = line.components(separatedBy: "//")[0]
        let strangers = code.matches(of: call).map(\.output.1).filter { !allowed.contains($0) }
        return strangers.map(String.init) + (code.contains(double) ? ["a double"] : [])
      }
    }
    for rule in CompiledRule.all { #expect(complaints(rule.text) == [], "\(rule.file)") }
    #expect(complaints(String(cString: descent_program_texts().prepare)) == [])
    #expect(complaints("x = fmax(a, b) * 1.0;") == ["fmax", "a double"])
  }

  @Test("hyper-parameters survive coding, by name", arguments: variants)
  func coding(_ variant: RuleVariant) throws {
    func check<Rule: UpdateRule>(_ rule: Rule) throws {
      let data = try JSONEncoder().encode(rule)
      #expect(try JSONDecoder().decode(Rule.self, from: data) == rule)
      #expect(try JSONDecoder().decode(Rule.self, from: Data("{}".utf8)) == Rule())
    }
    try check(variant.rule)
  }

  @Test("every hyper-parameter out of range is named, with its value and what is allowed")
  func ranges() throws {
    func check<Rule: UpdateRule>(_ type: Rule.Type) {
      for parameter in Rule.hyperparameters where parameter.kind != .flag {
        let outside = ["beta2Decay", "newtonSchulzB"].contains(parameter.name) ? 1.0 : -1
        for value in [outside, .nan, .infinity, -.infinity] {
          var rule = Rule()
          parameter.set(value, in: &rule)
          #expect {
            try rule.validate()
          } throws: { error in
            let text = "\(error)"
            return text.hasPrefix("\(Rule.name): \(parameter.name) is \(value); allowed is ")
          }
        }
      }
      #expect(throws: Never.self) { try Rule().validate() }
    }
    for type in Rules.all { check(type) }
    #expect(
      message { try SGD(learningRate: -0.5).validate() }
        == "sgd: learningRate is -0.5; allowed is a number of at least 0 that a Float can hold")
    #expect(
      message { try Adam(learningRate: 0.1, beta2: 1).validate() }
        == "adam: beta2 is 1.0; allowed is a number of at least 0 and below 1 that a Float can hold"
    )
  }

  @Test("a number that is none as a Float is refused")
  func floats() {
    #expect(message { try SGD(learningRate: 1e39).validate() } != "no error")
    #expect(message { try AdaDelta(epsilon: 1e-50).validate() } != "no error")
    #expect(message { try Adam(epsilon: 1e-50).validate() } != "no error")
    #expect(message { try Adam(epsilon: 0).validate() } == "no error")
  }

  @Test("defaults are the same, whichever way a rule is made")
  func defaults() {
    #expect(SGD(weightDecay: 0) == SGD() && Momentum(momentum: 0.9) == Momentum())
    #expect(Nesterov(momentum: 0.9) == Nesterov() && AdaGrad(epsilon: 1e-10) == AdaGrad())
    #expect(RMSProp(decay: 0.99) == RMSProp() && AdaDelta(decay: 0.9) == AdaDelta())
    #expect(Adam(beta1: 0.9) == Adam() && AdamW(beta1: 0.9) == AdamW())
    #expect(AMSGrad(beta1: 0.9) == AMSGrad())
    #expect(AdaMax(beta1: 0.9) == AdaMax())
    #expect(NAdam(beta1: 0.9) == NAdam())
    #expect(RAdam(beta1: 0.9) == RAdam())
    #expect(AdaBelief(beta1: 0.9) == AdaBelief())
    #expect(Yogi(beta1: 0.9) == Yogi())
    #expect(Rprop(maximumStep: 50) == Rprop())
    #expect(Adan(beta1: 0.98) == Adan())
    #expect(Lion(beta1: 0.9) == Lion() && Signum(momentum: 0.9) == Signum())
    #expect(ScheduleFreeSGD(momentum: 0.9) == ScheduleFreeSGD())
    #expect(ScheduleFreeAdamW(beta1: 0.9) == ScheduleFreeAdamW())
    #expect(ADOPT(beta1: 0.9) == ADOPT() && AdEMAMix(beta1: 0.9) == AdEMAMix())
    #expect(LAMB(beta1: 0.9) == LAMB() && LARS(momentum: 0.9) == LARS())
    #expect(NovoGrad(beta1: 0.95) == NovoGrad() && Prodigy(beta1: 0.9) == Prodigy())
    #expect(Adafactor(beta2Decay: -0.8) == Adafactor())
  }

  @Test("AdamW and AMSGrad lend Adam's hyper-parameters")
  func thinTypes() {
    var (adamW, amsgrad) = (AdamW(), AMSGrad())
    adamW.beta1 = 0.5
    (adamW.maximize, adamW.weightDecay, adamW.learningRate) = (true, 0.3, 0.1)
    amsgrad.beta2 = 0.5
    (amsgrad.maximize, amsgrad.weightDecay, amsgrad.decoupled) = (true, 0.3, true)
    #expect(
      adamW == AdamW(learningRate: 0.1, beta1: 0.5, weightDecay: 0.3, maximize: true))
    #expect(amsgrad == AMSGrad(beta2: 0.5, weightDecay: 0.3, decoupled: true, maximize: true))
  }

  @Test("combinations that exclude each other are refused with their reason")
  func combinations() {
    #expect(
      message { try Momentum(learningRate: 1, dampening: 0.1, nesterov: true).validate() }
        == "momentum: nesterov needs a dampening of 0")
    #expect(
      message { try Momentum(learningRate: 1, biasCorrection: true).validate() }
        == "momentum: biasCorrection needs exponentialAverage")
    #expect(
      message { try Momentum(learningRate: 1, nesterov: true, exponentialAverage: true).validate() }
        == "momentum: nesterov and exponentialAverage together are no known method")
    #expect(
      message { try RMSProp(learningRate: 1, nesterov: true).validate() }
        == "rmsprop: nesterov needs a momentum above 0")
    #expect(
      message {
        try Adam(learningRate: 1, rootEpsilon: 1, epsilonBeforeCorrection: true).validate()
      } == "adam: epsilonBeforeCorrection and rootEpsilon together are no known method")
    #expect(
      message {
        try Momentum(learningRate: 1, dampening: 0.1, exponentialAverage: true).validate()
      } == "momentum: exponentialAverage sets the dampening itself; leave it at 0")
    #expect(
      message {
        try AMSGrad(learningRate: 1, amsgradMaxOfCorrected: true, epsilonBeforeCorrection: true)
          .validate()
      } == "amsgrad: amsgradMaxOfCorrected and epsilonBeforeCorrection together are no known method"
    )
    #expect(message { try AMSGrad.keras().validate() } == "no error")
    #expect(
      message {
        try RAdam(learningRate: 1, rootEpsilon: 1, epsilonBeforeCorrection: true).validate()
      } == "radam: epsilonBeforeCorrection and rootEpsilon together are no known method")
    #expect(
      message { try RAdam(learningRate: 1, rectificationThreshold: 3.9).validate() }
        == "radam: a rectificationThreshold below 4 lets in steps that have no rectification")
    #expect(
      message { try Rprop(learningRate: 1, increaseFactor: 0.9).validate() }
        == "rprop: an increaseFactor below 1 shrinks the steps that it should grow")
    #expect(
      message { try Rprop(learningRate: 1, minimumStep: 2, maximumStep: 1).validate() }
        == "rprop: minimumStep is above maximumStep")
    #expect(
      message { try Adan(decoupled: true).validate() }
        == "adan: proximalDecay and decoupled are two forms of one decay; leave one of them off")
  }

  @Test("decoding refuses unknown names and bad values")
  func decoding() {
    func decode<Rule: UpdateRule>(_ type: Rule.Type, _ text: String) -> String {
      message { _ = try JSONDecoder().decode(type, from: Data(text.utf8)) }
    }
    #expect(
      decode(SGD.self, #"{"rate": 1}"#)
        == "there is no hyper-parameter of sgd \"rate\"; there is learningRate, weightDecay, "
        + "decoupled, maximize")
    #expect(
      decode(SGD.self, #"{"learningRate": -1}"#)
        == "sgd: learningRate is -1.0; allowed is a number of at least 0 that a Float can hold")
    #expect(
      decode(AdamW.self, #"{"decoupled": false}"#) == "adamw: decoupled is always true")
  }

  @Test("an unknown rule is refused with the known ones")
  func unknown() {
    #expect(
      message { _ = try Rules.named("adamm") }
        == "there is no rule \"adamm\"; there is "
        + Rules.all.map { $0.name }.joined(separator: ", "))
    #expect(Rules.all.map { $0.name }.contains("adam"))
  }

  /// A preset, and the trajectory of the peer's call that it represents.
  static let presets: [(any UpdateRule, String)] = [
    (SGD.pyTorch(learningRate: 0.05), "sgd/torch/plain/mixed37"),
    (SGD.pyTorch(learningRate: 0.05, weightDecay: 0.01), "sgd/torch/l2/plain37"),
    (SGD.optax(learningRate: 0.05), "sgd/optax/plain/mixed37"),
    (SGD.keras(learningRate: 0.05, weightDecay: 0.02), "sgd/keras/decoupled/mixed37"),
    (Momentum.pyTorch(learningRate: 0.01), "momentum/torch/heavy-ball/mixed37"),
    (
      Momentum.pyTorch(learningRate: 0.02, dampening: 0.1), "momentum/torch/dampening/mixed37"
    ),
    (Momentum.optax(learningRate: 0.01, nesterov: true), "momentum/optax/nesterov/mixed37"),
    (Momentum.averaged(learningRate: 0.1), "momentum/optax/exponentialAverage/mixed37"),
    (Momentum.keras(learningRate: 0.02, nesterov: true), "momentum/keras/nesterov/mixed37"),
    (AdaGrad.pyTorch(), "adagrad/torch/default/mixed37"),
    (AdaGrad.optax(learningRate: 0.05), "adagrad/optax/default/mixed37"),
    (AdaGrad.keras(learningRate: 0.05), "adagrad/keras/default/mixed37"),
    (RMSProp.pyTorch(), "rmsprop/torch/default/mixed37"),
    (RMSProp.optax(learningRate: 0.01), "rmsprop/optax/default/mixed37"),
    (RMSProp.keras(), "rmsprop/keras/default/mixed37"),
    (
      RMSProp.keras(decay: 0.95, momentum: 0.9, rootEpsilon: 1e-5, centered: true),
      "rmsprop/keras/centered-momentum/mixed37"
    ),
    (AdaDelta.pyTorch(), "adadelta/torch/default/mixed37"),
    (AdaDelta.optax(), "adadelta/optax/default/mixed37"),
    (AdaDelta.keras(), "adadelta/keras/default/mixed37"),
    (AdaDelta.paper(), "adadelta/torch/paper/mixed37"),
    (Adam.pyTorch(), "adam/torch/default/mixed37"),
    (Adam.optax(learningRate: 1e-3), "adam/optax/default/mixed37"),
    (Adam.keras(), "adam/keras/default/mixed37"),
    (AdamW.pyTorch(), "adamw/torch/default/mixed37"),
    (AdamW.optax(learningRate: 1e-3), "adamw/optax/default/mixed37"),
    (AdamW.keras(), "adamw/keras/default/mixed37"),
    (AMSGrad.pyTorch(), "amsgrad/torch/default/mixed37"),
    (AMSGrad.optax(learningRate: 1e-3, beta2: 0.9), "amsgrad/optax/default/mixed37"),
    (AMSGrad.paper(beta2: 0.9), "amsgrad/optax/paper/mixed37"),
    (AMSGrad.keras(beta2: 0.9), "amsgrad/keras/default/mixed37"),
    (AdaMax.pyTorch(), "adamax/torch/default/mixed37"),
    (AdaMax.optax(learningRate: 2e-3), "adamax/optax/default/mixed37"),
    (AdaMax.optax(learningRate: 2e-3, weightDecay: 0.1), "adamax/optax/decoupled/mixed37"),
    (AdaMax.keras(), "adamax/keras/default/mixed37"),
    (NAdam.pyTorch(), "nadam/torch/default/mixed37"),
    (
      NAdam.pyTorch(learningRate: 0.01, beta2: 0.99, momentumDecay: 0.1, weightDecay: 0.01),
      "nadam/torch/l2/plain37"
    ),
    (NAdam.optax(learningRate: 2e-3), "nadam/optax/simple/mixed37"),
    (NAdam.optax(learningRate: 2e-3, weightDecay: 0.01), "nadam/optax/simple-w/mixed37"),
    (NAdam.keras(learningRate: 2e-3), "nadam/keras/default/mixed37"),
    (RAdam.pyTorch(), "radam/torch/default/mixed37"),
    (
      RAdam.pyTorch(learningRate: 0.01, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.01),
      "radam/torch/l2/plain37"
    ),
    (RAdam.optax(learningRate: 1e-3), "radam/optax/default/mixed37"),
    (
      RAdam.optax(
        learningRate: 1e-3, beta2: 0.99, epsilon: 1e-6, rootEpsilon: 1e-8,
        rectificationThreshold: 4.5), "radam/optax/low-threshold/mixed37"
    ),
    (
      AdaBelief.pytorchOptimizer(weightDecay: 0.01),
      "adabelief/pytorch_optimizer/default/mixed37"
    ),
    (
      AdaBelief.pytorchOptimizer(
        learningRate: 0.01, epsilon: 1e-8, weightDecay: 0.01, decoupled: false),
      "adabelief/pytorch_optimizer/eps8/plain37"
    ),
    (AdaBelief.optax(learningRate: 1e-3), "adabelief/optax/default/mixed37"),
    (Yogi.optax(learningRate: 0.01), "yogi/optax/default/mixed37"),
    (Yogi.pytorchOptimizer(weightDecay: 0.01), "yogi/pytorch_optimizer/default/mixed37"),
    (Rprop.pyTorch(), "rprop/torch/default/tame37"),
    (Adan.paper(weightDecay: 0.02), "adan/timm/reference/mixed37"),
    (
      Adan.paper(learningRate: 0.01, weightDecay: 0.02, proximalDecay: false),
      "adan/timm/no-prox/mixed37"
    ),
    (Lion.optax(learningRate: 1e-4), "lion/optax/default/tame37"),
    (Lion.keras(weightDecay: 0.01), "lion/keras/default/tame37"),
    (Lion.paper(weightDecay: 0.1), "lion/lion_pytorch/default/tame37"),
    (Signum.optax(learningRate: 1e-3), "signum/optax/default/tame37"),
    (Signum.signSGD(learningRate: 1e-3), "signum/optax/sign-sgd/mixed37"),
    (Signum.paper(learningRate: 1e-3), "signum/optax/default/tame37"),
    (
      ScheduleFreeSGD.paper(learningRate: 0.05), "schedule_free_sgd/schedulefree/default/mixed37"
    ),
    (
      ScheduleFreeSGD.paper(
        learningRate: 0.02, momentum: 0.95, weightDecay: 0.05, warmupSteps: 10, stepPower: 0.5),
      "schedule_free_sgd/schedulefree/warmup-decay/plain37"
    ),
    (ScheduleFreeAdamW.paper(), "schedule_free_adamw/schedulefree/default/mixed37"),
    (ScheduleFreeAdamW.optax(weightDecay: 0.01), "schedule_free_adamw/optax/default/mixed37"),
    (ScheduleFreeAdamW.keras(), "schedule_free_adamw/keras/default/mixed37"),
    (ADOPT.paper(), "adopt/adopt/default/mixed37"),
    (
      ADOPT.paper(learningRate: 0.01, beta1: 0.8, beta2: 0.99, epsilon: 1e-4, clipped: false),
      "adopt/adopt/unclipped/mixed37"
    ),
    (ADOPT.paper(weightDecay: 0.01), "adopt/adopt/l2/plain37"),
    (AdEMAMix.paper(), "ademamix/ademamix/default/mixed37"),
    (
      AdEMAMix.paper(alpha: 8, alphaWarmupSteps: 20, beta3WarmupSteps: 15, weightDecay: 0.1),
      "ademamix/ademamix/warmup-decay/mixed37"
    ),
    (LAMB.timm(maximumGradientNorm: 0), "lamb/timm/apex-like/mixed37"),
    (LAMB.timm(maximumGradientNorm: 0, weightDecay: 0), "lamb/timm/no-decay/mixed37"),
    (
      LAMB.timm(learningRate: 0.01, alwaysAdapt: true, trustClip: true, weightDecay: 0.1),
      "lamb/timm/clipped-trust/tame37"
    ),
    (LAMB.optax(learningRate: 1e-3, weightDecay: 0.01), "lamb/optax/default/mixed37"),
    (LAMB.optax(learningRate: 0.01), "lamb/optax/no-decay/tame37"),
    (LAMB.keras(weightDecay: 0.01), "lamb/keras/default/mixed37"),
    (LAMB.paper(learningRate: 1e-3), "lamb/optax/default/mixed37"),
    (LARS.optax(learningRate: 0.1, weightDecay: 1e-4), "lars/optax/default/tame37"),
    (
      LARS.optax(
        learningRate: 0.1, momentum: 0.8, nesterov: true, trustCoefficient: 0.02, epsilon: 1e-3,
        weightDecay: 0.01), "lars/optax/nesterov/tame37"
    ),
    (LARS.timm(weightDecay: 1e-4), "lars/timm/apex-like/tame37"),
    (
      LARS.timm(
        learningRate: 0.01, nesterov: true, trustCoefficient: 0.02, trustClip: true,
        weightDecay: 0.01), "lars/timm/larc-clip/tame37"
    ),
    (NovoGrad.optax(learningRate: 1e-3), "novograd/optax/default/mixed37"),
    (
      NovoGrad.optax(
        learningRate: 0.01, beta1: 0.95, beta2: 0.98, epsilon: 1e-8, rootEpsilon: 1e-6,
        weightDecay: 0.01), "novograd/optax/decay/tame37"
    ),
    (NovoGrad.timm(), "novograd/timm/default/mixed37"),
    (
      NovoGrad.timm(
        learningRate: 0.05, beta1: 0.9, beta2: 0.5, gradientAveraging: true, weightDecay: 0.01),
      "novograd/timm/averaging/mat6x9"
    ),
    (
      NovoGrad.timm(learningRate: 0.01, weightDecay: 0.1, decoupled: true),
      "novograd/timm/decoupled/tame37"
    ),
    (Adafactor.pyTorch(), "adafactor/torch/default/tame37"),
    (Adafactor.pyTorch(), "adafactor/torch/default/mat6x9"),
    (
      Adafactor.pyTorch(
        learningRate: 0.05, beta2Decay: -0.7, epsilon1: 1e-4, epsilon2: 1e-2,
        clippingThreshold: 2, weightDecay: 0.01), "adafactor/torch/explicit-eps/mat6x9"
    ),
    (Adafactor.optax(learningRate: 0.01), "adafactor/optax/default/mat6x9"),
    (Adafactor.keras(learningRate: 0.01), "adafactor/keras/default/mat6x9"),
    (Prodigy.paper(), "prodigy/prodigyopt/default/tame37"),
    (
      Prodigy.paper(initialScale: 1e-2, scaleCoefficient: 0.5), "prodigy/prodigyopt/large-d0/tame37"
    ),
    (
      Prodigy.paper(biasCorrection: true, safeguardWarmup: true, weightDecay: 0.01),
      "prodigy/prodigyopt/corrected/tame37"
    ),
    (Prodigy.optax(), "prodigy/optax/default/tame37"),
  ]

  @Test("a preset runs the trajectory of the call that it is named for", arguments: presets.indices)
  func preset(_ index: Int) throws {
    let (rule, id) = Self.presets[index]
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == id })
    let replay = try Replay(item, of: goldens, as: rule)
    #expect(try replay.truthError() <= replay.truthBound, "\(id)")
  }

  @Test("βᵗ by squaring is βᵗ")
  func powers() {
    for beta in [0.0, 0.5, 0.9, 0.999, 0.9999] {
      var product = 1.0
      for exponent in 0...2000 {
        #expect(abs(power(beta, exponent) - product) <= 1e-12 * product)
        product *= beta
      }
    }
    #expect(oneMinusPower(0, 1) == 1)
    #expect(power(0.999, 1 << 40) == 0)
  }

  @Test("1 is refused by what must stay below it, and by nothing else")
  func one() {
    let below: Set = [
      "momentum", "nextMomentum", "decay", "beta1", "beta2", "beta3", "beta2Decay",
      "decreaseFactor", "warmupEpsilon", "newtonSchulzB",
    ]
    func check<Rule: UpdateRule>(_ type: Rule.Type) {
      for parameter in Rule.hyperparameters where parameter.kind != .flag {
        var rule = Rule()
        parameter.set(1, in: &rule)
        #expect(
          (parameter.violation(in: rule) != nil) == below.contains(parameter.name),
          "\(Rule.name): \(parameter.name)")
      }
    }
    for type in Rules.all { check(type) }
  }

  @Test("the next γ survives coding")
  func nextMomentum() throws {
    let rule = Nesterov(learningRate: 0.1, momentum: 0.5, nextMomentum: 0.75)
    let data = try JSONEncoder().encode(rule)
    #expect(try JSONDecoder().decode(Nesterov.self, from: data) == rule)
  }

  @Test("a centred mean square that a rounding makes negative does no harm, on any engine")
  func centredCancellation() throws {
    for (decay, gradient) in [(0.5, Float(0.3)), (0.9, Float(0.7))] {
      var results: [[Float]] = []
      for choice in try TestEngines.choices() {
        let optimizer = try Optimizer(
          RMSProp(learningRate: 1e-4, decay: decay, centered: true),
          layout: ParameterLayout(count: 1), on: choice)
        var x: [Float] = [1]
        for _ in 0..<300 { try optimizer.step(&x, gradients: [gradient]) }
        #expect(x[0].isFinite)
        results.append(x)
      }
      #expect(Set(results).count == 1)
    }
  }
}

extension Hyperparameter {
  func set(_ value: Double, in rule: inout Rule) {
    switch storage {
    case .number(let path, _): rule[keyPath: path] = value
    case .optional(let path, _): rule[keyPath: path] = value
    case .flag, .fixed: break
    }
  }
}
