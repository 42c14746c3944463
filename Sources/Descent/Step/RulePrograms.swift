internal import DescentKernels

/// The different programs that the groups of a layout need, each with its passes and states. A step
/// launches each of their kernels once for each piece of memory, however many groups follow it.
struct RulePrograms {
  struct Program: Hashable {
    let passes: [RulePass]
    let states: [StateSpec]
    let storage: Storage
    /// The states of the parameters' shape, and the others.
    let elements: [Int]
    let numbers: [Int]

    init(_ rule: any UpdateRule, _ storage: Storage = .float32) {
      (passes, states, self.storage) = (rule.passes, rule.states, storage)
      let states = states
      elements = states.indices.filter { states[$0].shape == .parameter }
      numbers = states.indices.filter { states[$0].shape != .parameter }
    }

    /// The pass that updates the parameters. Launch shapes are tuned for its kernel.
    var last: RulePass { passes[passes.count - 1] }

    /// The numbers of other shapes that a pass reads, one for many of its items.
    func numbers(ofPass index: Int) -> [Int] {
      let shape = passes[index].shape
      return numbers.filter { states[$0].shape.covers(shape) }
    }

    /// The states that a pass over numbers of this shape updates.
    func numbers(of shape: StateShape) -> [Int] { numbers.filter { states[$0].shape == shape } }

    /// What elements that a kernel updates together have in common.
    enum Cut { case none, tensor, row }

    /// Whether its tensors are matrices.
    var needsMatrices: Bool { passes.contains(where: \.isIteration) }

    /// Whether every sum of a pass is over tensors or the model. An engine may then sum a tile of
    /// a tensor as soon as its terms are computed, so that these are not written to memory.
    func sumsTiles(ofPass index: Int) -> Bool {
      let sums = passes[index].sums
      return !sums.isEmpty && passes[index].terms == Array(sums.indices)
        && sums.allSatisfy { sum in
          let shape = states.first { $0.name == sum.state }?.shape
          return shape == .tensor || shape == .model
        }
    }

    var cut: Cut {
      let shapes = Set(numbers.map { states[$0].shape })
      if shapes.contains(.rows) || shapes.contains(.columns) { return .row }
      return shapes.contains(.tensor) ? .tensor : .none
    }
  }

  /// At least one.
  let list: [Program]
  /// By the groups' places in the layout's list.
  let ofGroup: [Int]
  let layout: ParameterLayout
  let storage: Storage
  /// The map of each program's states of the parameters' shape.
  let states: [StateMap]
  /// The most passes of a program.
  let passCount: Int
  /// The most terms of a pass.
  let termCount: Int
  /// The same of passes whose sums are not over tiles.
  let storedTermCount: Int
  /// By program, the map of every state shape other than the parameters'.
  private let shapes: [[StateShape: ShapeMap]]

  /// - Parameter rules: by the groups' places in the layout's list.
  /// - Parameter rule: what a layout without a tensor follows.
  init(
    _ layout: ParameterLayout, _ rules: [any UpdateRule], else rule: any UpdateRule,
    _ storage: Storage = .float32
  ) {
    var list: [Program] = []
    let ofGroup = rules.map { rule in
      let own = Program(rule, storage)
      if let known = list.firstIndex(of: own) { return known }
      list.append(own)
      return list.count - 1
    }
    if list.isEmpty { list = [Program(rule, storage)] }
    (self.list, self.ofGroup, self.layout) = (list, ofGroup, layout)
    self.storage = storage
    passCount = list.map(\.passes.count).max() ?? 1
    termCount = list.flatMap(\.passes).map(\.termCount).max() ?? 0
    storedTermCount =
      list.flatMap { program in
        program.passes.indices.map {
          program.sumsTiles(ofPass: $0) ? 0 : program.passes[$0].termCount
        }
      }.max() ?? 0
    states = StateMap.maps(layout, programOfGroup: ofGroup, count: list.count)
    let programs = Dictionary(uniqueKeysWithValues: zip(layout.groupNames, ofGroup))
    shapes = list.enumerated().map { index, program in
      let shapes = program.numbers.map { program.states[$0].shape }
      return Dictionary(
        shapes.map { shape in
          (shape, ShapeMap(shape, layout) { programs[$0.group] == index })
        }, uniquingKeysWith: { first, _ in first })
    }
  }

  /// The same rule for all groups.
  init(_ layout: ParameterLayout, _ rule: any UpdateRule) {
    self.init(layout, layout.groupNames.map { _ in rule }, else: rule)
  }

  /// Whether a pass sums over rows or columns.
  var sumsLines: Bool {
    list.contains { program in
      let shapes = program.passes.flatMap(\.sums).map { sum in
        program.states.first { $0.name == sum.state }?.shape
      }
      return shapes.contains(.rows) || shapes.contains(.columns)
    }
  }

  /// The name of every state that is kept, in the order of the programs.
  var stateNames: [String] {
    var names: [String] = []
    for state in list.joinedStates where state.isSaved && !names.contains(state.name) {
      names.append(state.name)
    }
    return names + [storage.companion?.name].compactMap { $0 }
  }

  /// The program of a tensor.
  func program(of tensor: ParameterLayout.Tensor) -> Int {
    layout.groupNames.firstIndex(of: tensor.group).map { ofGroup[$0] } ?? 0
  }

  /// The place of a state of that name among a program's.
  func index(of name: String, in program: Int) -> Int? {
    list[program].states.firstIndex { $0.name == name }
  }

  /// Whether a state begins as a copy of the parameters.
  var copiesParameters: Bool {
    storage.companion?.copiesParameters == true
      || list.joinedStates.contains { $0.start == .parameters }
  }

  // MARK: Layout of states

  /// How many numbers a state has.
  func count(ofState index: Int, in program: Int) -> Int {
    shapes[program][list[program].states[index].shape]?.count ?? states[program].count
  }

  /// The numbers that a state of the tensors begins with, where it begins with a count.
  func counts(ofState index: Int, in program: Int) -> [Float]? {
    let start = list[program].states[index].start
    guard start.number(of: []) != nil, let map = map(.tensor, of: program) else { return nil }
    return layout.tensors.indices.flatMap { tensor in
      map[tensor].compactMap { _ in start.number(of: layout.tensors[tensor].shape) }
    }
  }

  /// The map of a state shape other than the parameters'.
  func map(_ shape: StateShape, of program: Int) -> ShapeMap? { shapes[program][shape] }

  // MARK: Stretches

  /// The elements that follow a program, in stretches as long as can be.
  func stretches(of program: Int) -> [ParameterLayout.Stretch] {
    layout.stretches(programs: ofGroup).filter { $0.program == program }
  }

  /// The elements of all programs in stretches as long as can be. A program with numbers of other
  /// shapes has a stretch for each tensor, or for each row.
  ///
  /// - Parameter cutsTensors: whether every program has a stretch for each tensor.
  func stretches(
    sets: [Int]?, leftOut: [Bool], cutsTensors: Bool = false
  ) -> [ParameterLayout.Stretch] {
    let cuts = list.map { cutsTensors && $0.cut == .none ? .tensor : $0.cut }
    return layout.stretches(sets: sets, leftOut: leftOut, programs: ofGroup) { index, own in
      let (cut, maps) = (cuts[own.program], shapes[own.program])
      guard cut != .none else { return nil }
      let tensor = layout.tensors[index]
      var whole = own
      whole.place.tensor = maps[.tensor]?[index].lowerBound ?? 0
      guard cut == .row else { return [whole] }
      let columns = StateShape.columns.count(of: tensor.shape)
      return (0..<tensor.count / columns).map { row in
        var part = whole
        let start = tensor.range.lowerBound + row * columns
        part.range = start..<start + columns
        part.place.row = (maps[.rows]?[index].lowerBound ?? 0) + row
        part.place.column = maps[.columns]?[index].lowerBound ?? 0
        return part
      }
    }
  }

  /// The numbers of a shape that a program's passes go over, tensor by tensor. A model's number
  /// has the group of the first tensor that is not idle.
  func stretches(
    ofNumbers shape: StateShape, program: Int, leftOut: [Bool], isIdle: (Int) -> Bool
  ) -> [ParameterLayout.Stretch] {
    guard let map = shapes[program][shape] else { return [] }
    var result: [ParameterLayout.Stretch] = []
    for (index, tensor) in layout.tensors.enumerated() where !map[index].isEmpty {
      guard let group = layout.groupNames.firstIndex(of: tensor.group) else { continue }
      let isLeftOut = !leftOut.isEmpty && leftOut[index]
      var own = ParameterLayout.Stretch(
        range: map[index], group: isLeftOut ? layout.groupNames.count : group, set: 0,
        program: program)
      own.place.tensor = shapes[program][.tensor]?[index].lowerBound ?? 0
      if shape == .model {
        if isLeftOut || isIdle(group) { continue }
        return [own]
      }
      result.append(own)
    }
    return result
  }
}

extension [RulePrograms.Program] {
  fileprivate var joinedStates: some Sequence<StateSpec> { self.lazy.flatMap(\.states) }
}

/// A vector that an engine keeps from step to step.
enum StateVector: Hashable {
  case state(program: Int, index: Int)
  /// The average of the parameters, and what their storage keeps of them. They have their layout.
  case average, companion
}

// MARK: Validation

extension RulePrograms.Program {
  /// Throws ``DescentError/unsupported(_:)`` where what a rule declares contradicts itself.
  func validate(_ rule: any UpdateRule) throws(DescentError) {
    if let problem = problem(rule) {
      throw .unsupported("\(type(of: rule).name): \(problem)")
    }
  }

  private func problem(_ rule: any UpdateRule) -> String? {
    if Set(states.map(\.name)).count < states.count { return "two states of one name" }
    if let own = storage.companion?.name, states.contains(where: { $0.name == own }) {
      return "a state \"\(own)\", which parameters of 16 bits have"
    }
    if states.prefix(elements.count).contains(where: { $0.shape != .parameter }) {
      return "states of the parameters' shape come first"
    }
    if states.contains(where: { $0.start == .parameters && $0.shape != .parameter }) {
      return "a state that begins as the parameters has their shape"
    }
    for state in states {
      if state.start.number(of: []) != nil, state.shape != .tensor || state.isSaved {
        return "a state that begins with a count is one of the tensors and is not saved"
      }
    }
    let limits = [
      (elements.count, DESCENT_MOST_STATES), (numbers.count, DESCENT_MOST_NUMBERS),
      (passes.map { max($0.sums.count, $0.termCount) }.max() ?? 0, DESCENT_MOST_TERMS),
    ]
    if let (count, limit) = limits.first(where: { $0.0 > Int($0.1) }) {
      return "\(count) states or sums of one kind; allowed are \(limit)"
    }
    if passes.isEmpty
      || passes.indices.contains(where: {
        (passes[$0].work == .elements) != ($0 == passes.count - 1)
      })
    {
      return "the last pass is over the elements, and no other"
    }
    for pass in passes where Set(pass.terms) != Set(0..<max(0, pass.termCount)) {
      return "sums of the terms \(pass.terms): every term is summed"
    }
    for sum in passes.flatMap(\.sums) {
      guard let state = states.first(where: { $0.name == sum.state }), state.shape != .parameter
      else { return "no state \"\(sum.state)\" of another shape than the parameters' for a sum" }
    }
    for case .state(let name) in passes.flatMap({ $0.inputs ?? [] })
    where !elements.contains(where: { states[$0].name == name }) {
      return "no state \"\(name)\" of the parameters' shape for a pass to read"
    }
    if case .coupled = rule.appliedDecay,
      passes.contains(where: {
        $0.inputs?.contains(.gradients) == true && $0.inputs?.contains(.parameters) == false
      })
    {
      return "a pass that reads gradients, to which decay is added, reads the parameters too"
    }
    for pass in passes {
      guard case .iteration(let iteration, let state, let number) = pass.work else { continue }
      guard elements.contains(where: { states[$0].name == state }),
        numbers.contains(where: { states[$0].name == number && states[$0].shape == .tensor })
      else { return "no state \"\(state)\" of matrices and \"\(number)\" of tensors" }
      if iteration.steps < 1 { return "an iteration of \(iteration.steps) steps" }
    }
    if let point = rule.evaluationPoint(afterStep: true),
      !elements.contains(where: { states[$0].name == point.state && states[$0].isSaved })
    {
      return "no state \"\(point.state)\" of the parameters' shape for the point to evaluate"
    }
    return nil
  }
}
