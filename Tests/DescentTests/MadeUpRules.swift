import MadeUpRules

@testable import Descent

/// Rules of Tests/MadeUpRules, one of each kind that a rule may be: none is a method.
enum MadeUp {
  static let library = KernelLibrary(table: made_up_library())

  static let all: [any UpdateRule] = [Bent(), Fading(), Anchored(), Trusting(), Rowed()]

  /// A pass that Tests/MadeUpRules compiles.
  static func pass(
    _ work: RulePass.Work, _ kernel: String, reading inputs: Set<RulePass.Input>? = nil,
    writesStates: Bool = true
  ) -> RulePass {
    var pass = RulePass(work, kernel: kernel, reading: inputs, writesStates: writesStates)
    pass.library = library
    return pass
  }

  /// One pass over elements.
  struct Bent: MadeUpRule {
    static let name = "bent"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .decoupled(weightDecay) }
    var kernel: String { "bent" }
    var states: [StateSpec] { [] }
    var passes: [RulePass] { [MadeUp.pass(.elements, kernel)] }

    struct Scalars<T: BinaryFloatingPoint> { var rate, bend: T }
    typealias KernelScalars = Scalars<Float>
    func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
      Scalars(rate: T(learningRate), bend: T(0.25))
    }

    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      let s: Scalars<T> = scalars(at: step)
      elements.update { x, g, _ in s.rate * (g + s.bend * (g * x)) }
    }
  }

  /// A product of past factors.
  struct Fading: MadeUpRule {
    static let name = "fading"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .coupled(weightDecay) }
    var kernel: String { "fading" }
    var states: [StateSpec] { [StateSpec("b")] }
    var passes: [RulePass] { [MadeUp.pass(.elements, kernel)] }
    var history: [HistoryValue] { [HistoryValue("product", startingAt: 1)] }

    struct Scalars<T: BinaryFloatingPoint> { var momentum, rate: T }
    typealias KernelScalars = Scalars<Float>
    func scalars(at step: Int) -> Scalars<Float> {
      var history = self.history.map(\.start)
      return scalars(at: step, history: &history)
    }
    func scalars(at step: Int, history: inout [Double]) -> Scalars<Float> {
      values(at: step, history: &history)
    }
    private func values<T: BinaryFloatingPoint>(
      at step: Int, history: inout [Double]
    ) -> Scalars<T> {
      history[0] *= 1 - 0.5 / Double(step)
      return Scalars(momentum: T(0.9), rate: T(learningRate * history[0]))
    }

    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      var history = elements.history
      let s: Scalars<T> = values(at: step, history: &history)
      elements.update { _, g, state in
        state[0] = s.momentum * state[0] + g
        return s.rate * state[0]
      }
    }
  }

  /// A state that begins at the parameters, and another point to evaluate.
  struct Anchored: MadeUpRule {
    static let name = "anchored"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .coupled(weightDecay) }
    var kernel: String { "anchored" }
    var states: [StateSpec] { [StateSpec("z", start: .parameters)] }
    var passes: [RulePass] { [MadeUp.pass(.elements, kernel)] }
    func evaluationPoint(afterStep: Bool) -> EvaluationPoint? {
      EvaluationPoint(state: "z", factor: 0.5)
    }

    struct Scalars<T: BinaryFloatingPoint> { var rate, pull: T }
    typealias KernelScalars = Scalars<Float>
    func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
      Scalars(rate: T(learningRate), pull: T(0.125))
    }

    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      let s: Scalars<T> = scalars(at: step)
      elements.update { x, g, state in
        let u = s.rate * g + s.pull * (x - state[0])
        state[0] = state[0] - s.rate * g
        return u
      }
    }
  }

  /// Norms of every tensor between two passes, the first of which updates a state.
  struct Trusting: MadeUpRule {
    static let name = "trusting"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .coupled(weightDecay) }
    var kernel: String { "trusting" }
    var states: [StateSpec] {
      [
        StateSpec("m"), StateSpec("parameterNorm", .tensor, startingAt: 2),
        StateSpec("stepNorm", .tensor, isSaved: false), StateSpec("ratio", .tensor, startingAt: 1),
      ]
    }
    var passes: [RulePass] {
      [
        MadeUp.pass(
          .sums([RuleSum(.norm, into: "parameterNorm"), RuleSum(.norm, into: "stepNorm")]),
          "trusting_sums"),
        MadeUp.pass(.numbers(.tensor), "trusting_numbers"),
        MadeUp.pass(.elements, kernel, writesStates: false),
      ]
    }

    struct Scalars<T: BinaryFloatingPoint> { var rate, beta, oneMinusBeta: T }
    typealias KernelScalars = Scalars<Float>
    func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
      Scalars(rate: T(learningRate), beta: T(0.9), oneMinusBeta: T(0.1))
    }

    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      let s: Scalars<T> = scalars(at: step)
      switch elements.pass {
      case 0:
        elements.sum { x, g, state, _, term in
          state[0] = s.beta * state[0] + s.oneMinusBeta * g
          (term[0], term[1]) = (x, state[0])
        }
      case 1:
        elements.each { own, _ in
          own[2] = T(0.5) * own[2] + T(0.5) * (own[1] == 0 ? 1 : own[0] / own[1])
        }
      default:
        elements.updateWithNumbers { _, _, state, number in s.rate * (number[2] * state[0]) }
      }
    }
  }

  /// States for rows, columns and the model, sums over all shapes.
  struct Rowed: MadeUpRule {
    static let name = "rowed"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .decoupled(weightDecay) }
    var kernel: String { "rowed" }
    var states: [StateSpec] {
      [
        StateSpec("rowSum", .rows, isSaved: false), StateSpec("row", .rows),
        StateSpec("columnSum", .columns, isSaved: false), StateSpec("column", .columns),
        StateSpec("peak", .tensor, isSaved: false), StateSpec("total", .model, isSaved: false),
        StateSpec("trend", .model, startingAt: 0.5),
      ]
    }
    var passes: [RulePass] {
      [
        MadeUp.pass(
          .sums([
            RuleSum(.sum, into: "rowSum"), RuleSum(.sum, into: "columnSum"),
            RuleSum(.sum, into: "total"), RuleSum(.largest, into: "peak"),
          ]), "rowed_sums"),
        MadeUp.pass(.numbers(.rows), "rowed_rows"), MadeUp.pass(.numbers(.columns), "rowed_rows"),
        MadeUp.pass(.numbers(.model), "rowed_model"), MadeUp.pass(.elements, kernel),
      ]
    }

    struct Scalars<T: BinaryFloatingPoint> { var rate, beta, epsilon: T }
    typealias KernelScalars = Scalars<Float>
    func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
      Scalars(rate: T(learningRate), beta: T(0.75), epsilon: T(1e-6))
    }

    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      let s: Scalars<T> = scalars(at: step)
      switch elements.pass {
      case 0:
        elements.sum { _, g, _, _, term in
          (term[0], term[1]) = (g * g, g * g)
          (term[2], term[3]) = (g, g)
        }
      case 1, 2:
        elements.each { own, number in
          own[1] = s.beta * own[1] + own[0] + number[0] * number[0]
        }
      case 3: elements.each { own, _ in own[1] = s.beta * own[1] + own[0] }
      default:
        elements.updateWithNumbers { _, g, _, number in
          let (row, column, peak, trend) = (number[1], number[3], number[4], number[6])
          let size = trend < 0 ? -trend : trend
          return s.rate * g / (row.squareRoot() + column.squareRoot() + peak + size + s.epsilon)
        }
      }
    }
  }
}

/// What all of them have.
private protocol MadeUpRule: UpdateRule {}

extension MadeUpRule {
  static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("learningRate", \.learningRate, .atLeastZero),
      .number("weightDecay", \.weightDecay, .atLeastZero),
    ]
  }
  static var variants: [RuleVariant] { [] }
  var maximize: Bool { false }
}
