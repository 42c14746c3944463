/// The different kernels that the groups of a layout need, each with its states. A step launches
/// each of them once for each piece of memory, however many groups follow it.
struct RulePrograms {
  struct Program: Hashable {
    /// A variant's name in `Kernels/rules/list.inc`.
    let kernel: String
    let states: [StateSpec]

    init(_ rule: any UpdateRule) { (kernel, states) = (rule.kernel, rule.states) }
  }

  /// At least one.
  let list: [Program]
  /// By the groups' places in the layout's list.
  let ofGroup: [Int]
  let layout: ParameterLayout
  /// Where the elements of each program's states lie.
  let states: [StateMap]

  /// - Parameter rules: by the groups' places in the layout's list.
  /// - Parameter rule: what a layout without a tensor follows.
  init(_ layout: ParameterLayout, _ rules: [any UpdateRule], else rule: any UpdateRule) {
    var list: [Program] = []
    ofGroup = rules.map { rule in
      let own = Program(rule)
      if let known = list.firstIndex(of: own) { return known }
      list.append(own)
      return list.count - 1
    }
    if list.isEmpty { list = [Program(rule)] }
    self.list = list
    self.layout = layout
    states = StateMap.maps(layout, programOfGroup: ofGroup, count: list.count)
  }

  /// The same rule for all groups.
  init(_ layout: ParameterLayout, _ rule: any UpdateRule) {
    self.init(layout, layout.groupNames.map { _ in rule }, else: rule)
  }

  /// The most passes of a program.
  var passCount: Int { 1 }

  /// Every state's name, in the order of the programs.
  var stateNames: [String] {
    var names: [String] = []
    for state in list.joinedStates where !names.contains(state.name) { names.append(state.name) }
    return names
  }

  /// The program of a tensor.
  func program(of tensor: ParameterLayout.Tensor) -> Int {
    layout.groupNames.firstIndex(of: tensor.group).map { ofGroup[$0] } ?? 0
  }

  /// The place of a state of that name among a program's.
  func index(of name: String, in program: Int) -> Int? {
    list[program].states.firstIndex { $0.name == name }
  }

  /// The elements that follow a program, in stretches as long as can be.
  func stretches(of program: Int) -> [ParameterLayout.Stretch] {
    layout.stretches(programs: ofGroup).filter { $0.program == program }
  }

  /// Whether a state begins as a copy of the parameters.
  var copiesParameters: Bool { list.joinedStates.contains { $0.start == .parameters } }
}

extension [RulePrograms.Program] {
  fileprivate var joinedStates: some Sequence<StateSpec> { self.lazy.flatMap(\.states) }
}

/// A vector that an engine keeps from step to step.
enum StateVector: Hashable {
  case state(program: Int, index: Int)
  /// The average of the parameters. It lies as the layout says.
  case average
}
