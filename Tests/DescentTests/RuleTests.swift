import DescentKernels
import Foundation
import Testing

@testable import Descent
@testable import descent_tool

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

  @Test("Swift's scalars are the rule file's, field by field", arguments: variants)
  func scalars(_ variant: RuleVariant) throws {
    func check<Rule: UpdateRule>(_ rule: Rule) throws {
      let compiled = try CompiledRule(rule.kernel)
      #expect(members(rule.scalars(at: 1)) == (try scalarNames(in: compiled.text)))
      #expect(MemoryLayout<Rule.KernelScalars>.size == compiled.scalarsSize)
      #expect(rule.stateNames.count == compiled.stateCount)
    }
    try check(variant.rule)
  }

  @Test("Swift's preparation is prepare.cl's")
  func preparation() {
    let preparation = Preparation<Float>(SGD(), gradientScale: 1)
    #expect(members(preparation) == ["gradientScale", "coupledDecay", "shrink"])
    #expect(
      String(cString: descent_program_texts().prepare).contains(
        "gradientScale, coupledDecay, shrink"))
    #expect(MemoryLayout<Preparation<Float>>.size == Int(descent_preparation_size()))
  }

  @Test("rule files call nothing whose result differs between devices")
  func forbiddenFunctions() {
    let forbidden = try! Regex(
      #"\b(fma|mad|pow\w*|exp\w*|log\w*|f?min|f?max|sign|clamp|step|mix|rsqrt|native_\w+|half_\w+|select|abs|isnan|isinf|convert_\w+)\s*\("#
    )
    let texts =
      CompiledRule.all.map { ($0.file, $0.text) }
      + [("prepare.cl", String(cString: descent_program_texts().prepare))]
    for (file, text) in texts {
      for line in text.split(separator: "\n") where !line.hasPrefix("//") {
        #expect(line.firstMatch(of: forbidden) == nil, "\(file): \(line)")
      }
      #expect(!text.contains("double"), "\(file)")
    }
    #expect("  x = fmax(a, b);".firstMatch(of: forbidden) != nil)
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
        for value in [-1.0, .nan, .infinity, -.infinity] {
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
        == "sgd: learningRate is -0.5; allowed is a finite number of at least 0")
    #expect(
      message { try Adam(learningRate: 0.1, beta2: 1).validate() }
        == "adam: beta2 is 1.0; allowed is a number of at least 0 and below 1")
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
    #expect(message { try AMSGrad.keras().validate() } == "no error")
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
        == "sgd: learningRate is -1.0; allowed is a finite number of at least 0")
    #expect(
      decode(AdamW.self, #"{"decoupled": false}"#) == "adamw: decoupled is always true")
  }

  @Test("an unknown rule is refused with the known ones")
  func unknown() {
    #expect(
      message { _ = try Rules.named("adamm") }
        == "there is no rule \"adamm\"; there is sgd, momentum, nesterov, adagrad, rmsprop, "
        + "adadelta, adam, adamw, amsgrad")
  }

  /// A preset, and the trajectory of the peer's call that it stands for.
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
  ]

  @Test("a preset runs the trajectory of the call that it is named for", arguments: presets.indices)
  func preset(_ index: Int) throws {
    let (rule, id) = Self.presets[index]
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == id })
    #expect(try Replay(item, of: goldens, as: rule).truthError() <= 1e-11, "\(id)")
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

  @Test("a centred mean square that a rounding makes negative does no harm")
  func centredCancellation() throws {
    for (decay, gradient) in [(0.5, Float(0.3)), (0.9, Float(0.7))] {
      let optimizer = try Optimizer(
        RMSProp(learningRate: 1e-4, decay: decay, centered: true),
        layout: ParameterLayout(count: 1),
        on: .cpu)
      var x: [Float] = [1]
      for _ in 0..<300 { try optimizer.step(&x, gradients: [gradient]) }
      #expect(x[0].isFinite)
    }
  }
}

/// What an error says, or `no error`.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
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
