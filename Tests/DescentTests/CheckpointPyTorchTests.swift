import DescentTestSupport
import Foundation
import Testing

@testable import Descent
@testable import Safetensors

/// States that PyTorch has written, taken on and handed back; recorded by
/// Examples/pytorch/check.py.
@Suite struct CheckpointPyTorchTests {
  static let names = Result {
    try folderContents(goldensFolder + "/PyTorch")
      .filter { $0.hasSuffix(".10.safetensors") }.map { String($0.dropLast(15)) }
  }

  private func path(_ name: String) throws -> String {
    goldensFolder + "/PyTorch/\(name).safetensors"
  }

  private func gradients() throws -> (SafetensorsReader, Int) {
    (try SafetensorsReader(path("gradients.11-20")), 10)
  }

  /// Steps 11 to 20 of the recorded runs.
  private func train(_ optimizer: Optimizer, _ parameters: inout [Float]) throws {
    let (reader, count) = try gradients()
    let all = try Dictionary(
      uniqueKeysWithValues: optimizer.layout.tensors.map { ($0.name, try reader.floats($0.name)) })
    for step in 0..<count {
      var gradients = [Float](repeating: 0, count: optimizer.layout.count)
      for tensor in optimizer.layout.tensors {
        let values = try #require(all[tensor.name])
        gradients.replaceSubrange(
          tensor.range, with: values[step * tensor.count..<(step + 1) * tensor.count])
      }
      try optimizer.step(&parameters, gradients: gradients)
    }
  }

  private func doubles(_ file: SafetensorsFile, _ name: String) throws -> [Double] {
    if file[name]?.type == .float32 { return try file.floats(name).map { Double($0) } }
    return try file.bytes(name).withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map {
        bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self)
      }
    }
  }

  /// The largest distance from Float64, in units in the last place of the largest that an element
  /// was.
  private func pathUlps(
    _ values: [Float], _ file: SafetensorsFile, _ truth: String, _ name: String
  ) throws -> Double {
    let (truth, peak) = (
      try doubles(file, "\(truth).\(name)"), try doubles(file, "peak.\(name)")
    )
    return zip(values, zip(truth, peak)).reduce(0) { worst, pair in
      max(worst, abs(Double(pair.0) - pair.1.0) / Double(Float(pair.1.1).ulp))
    }
  }

  /// PyTorch iterates Muon's matrices in bfloat16 whatever the parameters are.
  private static func isInBFloat16(_ name: String) -> Bool { name.hasPrefix("muon") }
  private static let bfloat16 = 2e-2 * 0x1p24

  @Test("ten steps between twenty of PyTorch's, for every optimizer that both know")
  func recorded() throws {
    #expect(try Self.names.get().count == 31)
    for name in try Self.names.get() {
      let checkpoint = try Checkpoint(path(name + ".10"))
      #expect(checkpoint.naming == .pyTorch && checkpoint.hasParameters)
      let after = try Checkpoint(path(name + ".20"))
      let expected = try after.state()
      let truth = try SafetensorsFile(path(name + ".30"))
      for choice in try TestEngines.choices() {
        let optimizer = try Optimizer(checkpoint, on: choice)
        var parameters = [Float](repeating: 0, count: optimizer.layout.count)
        try optimizer.load(from: checkpoint, parameters: &parameters)
        #expect(try optimizer.stepCount == 10)
        try train(optimizer, &parameters)
        for tensor in optimizer.layout.tensors {
          let values = Array(parameters[tensor.range])
          // The bits that PyTorch went on from when its last ten steps were recorded.
          #expect(
            try bits(values) == bits(after.reader.floats(tensor.name)), "\(name) \(tensor.name)")
          let bound = Self.isInBFloat16(name) ? Self.bfloat16 : 48
          #expect(try pathUlps(values, truth, "truth20", tensor.name) <= bound, "\(name)")
        }
        for state in optimizer.stateNames {
          // What Adafactor has the mean of is computed anew from the file.
          if name.hasPrefix("adafactor") && state != "col" { continue }
          let values = try #require(expected.values[state])
          #expect(try bits(optimizer.state(state)) == bits(values), "\(name) \(state)")
        }
        #expect(try optimizer.stepCount == expected.status.stepCount)
        #expect(try optimizer.status.groupStepCounts == expected.status.groupStepCounts)
      }
    }
  }

  @Test("thirty steps, the middle ones here, are thirty of PyTorch's")
  func mixed() throws {
    for name in try Self.names.get() {
      let file = try SafetensorsFile(path(name + ".30"))
      for tensor in file.tensors where tensor.name.hasPrefix("mixed30.") {
        let rest = String(tensor.name.dropFirst("mixed30.".count))
        let found = try file.floats(tensor.name)
        if rest.hasPrefix("state.") {
          let truth = try doubles(file, "truth30.\(rest)")
          let scale = try #require(truth.map(\.magnitude).max())
          for (a, b) in zip(found, truth) { #expect(abs(Double(a) - b) <= 1e-6 * scale, "\(name)") }
        } else {
          let bound = Self.isInBFloat16(name) ? Self.bfloat16 : 68
          #expect(try pathUlps(found, file, "truth30", rest) <= bound, "\(name) \(rest)")
        }
      }
    }
  }

  @Test("settings and step counts become rule and groups")
  func settings() throws {
    func status(_ name: String) throws -> OptimizerStatus {
      try #require(try Checkpoint(path(name + ".10")).status)
    }
    var expected = Momentum(
      learningRate: 0.05, momentum: 0.9, dampening: 0.1, firstStepUndamped: true, maximize: true)
    #expect(try AnyHashable(status("sgd-dampened").rule) == AnyHashable(expected))
    expected = Momentum(learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01)
    #expect(try AnyHashable(status("sgd-nesterov").rule) == AnyHashable(expected))
    let amsgrad = AMSGrad(learningRate: 0.01, weightDecay: 0.01, decoupled: true)
    #expect(try AnyHashable(status("adamw-amsgrad").rule) == AnyHashable(amsgrad))
    let adaMax = AdaMax.pyTorch(learningRate: 0.01, weightDecay: 0.01)
    #expect(try AnyHashable(status("adamax").rule) == AnyHashable(adaMax))
    let nadamDecoupled = NAdam(
      learningRate: 0.01, momentumDecay: 0.1, weightDecay: 0.1, decoupled: true, maximize: true)
    #expect(try AnyHashable(status("nadam-decoupled").rule) == AnyHashable(nadamDecoupled))
    let radam = RAdam.pyTorch(learningRate: 0.01, weightDecay: 0.1, decoupled: true)
    #expect(try AnyHashable(status("radam-decoupled").rule) == AnyHashable(radam))
    let rprop = Rprop(
      learningRate: 0.05, decreaseFactor: 0.3, increaseFactor: 1.5, minimumStep: 0.01,
      maximumStep: 0.5, maximize: true)
    #expect(try AnyHashable(status("rprop-tight").rule) == AnyHashable(rprop))
    let muon = Muon(
      learningRate: 0.02, momentum: 0.9, nesterov: false, exponentialAverage: true, rmsRate: 0.2,
      weightDecay: 0.1)
    #expect(try AnyHashable(status("muon-match-rms").rule) == AnyHashable(muon))
    let groups = try status("adamw-groups")
    #expect(groups.layout.groupNames == ["group 0", "group 1"])
    #expect(
      groups.layout.group("group 1")
        == ParameterGroup(learningRateFactor: 0.003 / 0.01, weightDecay: 0))
    let late = try status("adam-late")
    #expect(late.groupStepCounts == ["default after 10 steps": 10, "default after 6 steps": 6])
    #expect(late.layout["bias"]?.group == "default after 6 steps")

    // A product of NAdam's for each, to PyTorch's rounding.
    let nadam = try status("nadam-late")
    let rule = try #require(nadam.rule as? NAdam)
    for (group, steps) in [("default after 10 steps", 10), ("default after 6 steps", 6)] {
      let product = (1...steps).reduce(1) { $0 * rule.momentum(at: $1) }
      let given = try #require(nadam.histories[group]?["muProduct"])
      #expect(abs(given - product) < 1e-6 * product)
    }

    // In a layout that has them in one group they cannot be taken, and both are named.
    var layout = ParameterLayout()
    try layout.append("weight", shape: [4, 5])
    try layout.append("bias", shape: [5])
    let optimizer = try Optimizer(Adam(), layout: layout, on: .cpu)
    #expect {
      try optimizer.load(from: path("adam-late.10"))
    } throws: {
      "\($0)"
        == "group \"default\": \"weight\" has taken 10 steps and \"bias\" 6; allowed is the same "
        + "number in a group"
    }
    // Elsewhere they can, and what PyTorch's optimizers do not have stays.
    layout.assign(to: "biases") { $0.name == "bias" }
    let other = try Optimizer(Adam(), layout: layout, on: .cpu)
    (other.clipping, other.schedule) = (.globalNorm(1), .constant(0.5))
    try other.load(from: path("adam-late.10"))
    #expect(other.clipping == .globalNorm(1) && other.schedule == .constant(0.5))
    #expect(try other.stepCount(ofGroup: "biases") == 6 && other.stepCount == 10)
  }

  @Test("a frozen group stays frozen and a clipped one clipped")
  func groupSettings() throws {
    let optimizer = try Optimizer(
      AdamW(), layout: #require(Checkpoint(path("adamw-groups.10")).status).layout, on: .cpu)
    try optimizer.setGroup("group 0", to: ParameterGroup(clipping: .globalNorm(2)))
    try optimizer.setGroup("group 1", to: ParameterGroup(learningRateFactor: 9, isFrozen: true))
    try optimizer.load(from: path("adamw-groups.10"))
    #expect(try optimizer.group("group 0") == ParameterGroup(clipping: .globalNorm(2)))
    #expect(
      try optimizer.group("group 1")
        == ParameterGroup(learningRateFactor: 0.003 / 0.01, weightDecay: 0, isFrozen: true))
    #expect(try optimizer.stepCount(ofGroup: "group 1") == 10)
  }

  @Test("every rule goes to PyTorch's names and comes back, or is refused")
  func variants() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      // Rules of which PyTorch has some settings, or that are settings of one.
      let known = [
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw",
        "amsgrad", "adamax", "nadam", "radam", "rprop", "muon",
        "adafactor",
      ]
      var refused: [String] = []
      for variant in Rules.all.flatMap({ $0.variants }) {
        let optimizer = try Optimizer(
          variant.rule, layout: SmallModel.layout(for: variant.rule), on: .cpu)
        try optimizer.setLossScale(LossScale(scale: 32))
        var parameters = SmallModel.steps.parameters.map { $0.magnitude < 1e3 ? $0 : 1 }
        for step in 1...3 {
          let gradients = (0..<parameters.count).map { Float(($0 * step) % 11 - 5) }
          try optimizer.step(&parameters, gradients: gradients)
        }
        let state = try optimizer.state
        do {
          try optimizer.save(to: path, parameters: parameters, naming: .pyTorch)
        } catch CheckpointError.interchange {
          if known.contains(type(of: variant.rule).name) { refused.append(variant.name) }
          continue
        }
        #expect(try SafetensorsFile(path).tensors.allSatisfy { !$0.name.contains("optimizer.m.") })
        let checkpoint = try Checkpoint(path)
        #expect(checkpoint.naming == .pyTorch)
        let twin = try Optimizer(
          variant.rule, layout: SmallModel.layout(for: variant.rule), on: .cpu)
        var copy = parameters.map { _ in Float(0) }
        try twin.load(from: checkpoint, parameters: &copy)
        #expect(bits(copy) == bits(parameters))
        #expect(try twin.lossScale == state.status.lossScale)
        if variant.rule is Adafactor {
          // PyTorch has no mean of a tensor, nor of a vector's one row, and makes them of the rest.
          let states = try twin.states()
          #expect(states["col"] == state.values["col"])
          for name in ["row", "mean"] {
            for (a, b) in zip(states[name] ?? [], state.values[name] ?? []) {
              #expect(abs(a - b) <= 1e-6 * b, "\(variant) \(name)")
            }
          }
        } else {
          #expect(try twin.states() == state.values)
        }
        #expect(try twin.stepCount == 3)
        #expect(AnyHashable(twin.rule) == AnyHashable(variant.rule), "\(variant)")
        // A decay that all groups share is the rule's.
        let (group, own) = (try twin.group("biases"), try optimizer.group("biases"))
        #expect(
          AnyHashable(group.applied(to: twin.rule)) == AnyHashable(own.applied(to: variant.rule)))
      }
      #expect(
        refused == [
          "sgd decoupled", "momentum accumulated", "momentum averaged", "nesterov",
          "nesterov coupled", "adagrad rootEpsilon", "rmsprop rootEpsilon", "rmsprop nesterov",
          "rmsprop centered momentum", "rmsprop centered nesterov", "adadelta decoupled",
          "adam rootEpsilon", "adam epsilonBeforeCorrection", "adam uncorrected",
          "amsgrad amsgradMaxOfCorrected", "adamax", "adamax decoupled", "nadam simpleSchedule",
          "radam", "radam rootEpsilon", "rprop coupled", "rprop decoupled",
          "adafactor epsilonAdded", "adafactor unlimited", "muon", "muon optax", "muon plain",
        ])
      let frozen = try Optimizer(Adam(), layout: SmallModel.layout(), on: .cpu)
      try frozen.setGroup("biases", to: ParameterGroup(isFrozen: true))
      #expect {
        try frozen.save(to: path, naming: .pyTorch)
      } throws: {
        "\($0)".contains("group \"biases\" is frozen")
      }
    }
  }

  private static func nadam(_ rest: String) -> String {
    #"{"class":"NAdam","groups":[{"params":["a","b"],"lr":1,"betas":[0.9,0.99],"eps":0,"#
      + #""momentum_decay":1}],\#(rest)}"#
  }

  /// A description of an optimizer, and a piece of what the error says.
  static let descriptions: [(String, String)] = [
    ("", "metadata \"pytorch.optimizer\": byte 0"),
    (
      #"{"class":"Adam","groups":[],"steps":{}}"#,
      "the number of groups is 0; allowed is 1 or more"
    ),
    (
      #"{"class":"Lion","groups":[{"params":[],"lr":1}],"steps":{}}"#,
      "\"Lion\" of PyTorch is not known here; allowed are SGD"
    ),
    (
      #"{"class":"Adam","groups":[{"params":[],"lr":1}],"steps":{}}"#,
      "\"Adam\" of PyTorch needs betas in its groups"
    ),
    (
      #"{"class":"Adam","groups":[{"params":[],"lr":1,"betas":[0.9],"eps":0}],"steps":{}}"#,
      "betas of PyTorch are [0.9]; allowed are two"
    ),
    (
      #"{"class":"ASGD","groups":[{"params":["a"],"lr":1}],"steps":{}}"#,
      "allowed is SGD with a schedule and Optimizer.averaging"
    ),
    (
      #"{"class":"Rprop","groups":[{"params":[],"lr":1,"etas":[0.5,1.2]}],"steps":{}}"#,
      "\"Rprop\" of PyTorch needs step_sizes in its groups"
    ),
    (
      #"{"class":"Adafactor","groups":[{"params":[],"lr":1,"eps":1e-8}],"steps":{}}"#,
      "\"Adafactor\" of PyTorch needs beta2_decay, d and two eps in its groups"
    ),
    (
      #"{"class":"Muon","groups":[{"params":[],"lr":1,"eps":1e-8,"momentum":0.9}],"steps":{}}"#,
      "\"Muon\" of PyTorch needs momentum, eps, ns_steps and three ns_coefficients"
    ),
    (
      #"{"class":"Rprop","groups":[{"params":[],"lr":1,"etas":[1.2,0.5],"step_sizes":[1,2]}],"#
        + #""steps":{}}"#,
      "rprop: decreaseFactor is 1.2"
    ),
    (
      nadam(#""steps":{"a":1,"b":1}"#), "NAdam of PyTorch needs a mu_product of \"a\""
    ),
    (
      nadam(#""steps":{"a":1,"b":1},"mu_product":{"a":0.5,"b":1}"#),
      "the mu_product of \"b\" is 1.0; allowed is at least 0 and below 1"
    ),
    (
      nadam(#""steps":{"a":1,"b":1},"mu_product":{"a":0.5,"b":0.25}"#),
      "the mu_product of \"b\" is 0.25, and another one of its group"
    ),
    (
      #"{"class":"SGD","groups":[{"params":["x"],"lr":1}],"steps":{}}"#,
      "tensor \"x\": neither it nor a state of it"
    ),
    (
      #"{"class":"SGD","groups":[{"params":["a","a"],"lr":1}],"steps":{}}"#,
      "tensor \"a\": the name is taken"
    ),
    (
      #"{"class":"SGD","groups":[{"params":["a"],"lr":-1}],"steps":{}}"#,
      "sgd: learningRate is -1.0"
    ),
    (
      #"{"class":"SGD","groups":[{"params":["a"],"lr":1}],"steps":{"a":-1}}"#,
      "step count is -1"
    ),
    (
      #"{"class":"SGD","groups":[{"params":["a"],"lr":1,"momentum":0.9}],"steps":{}}"#,
      "tensor \"optimizer.momentum_buffer.a\": it is missing"
    ),
  ]

  @Test("descriptions of PyTorch optimizers that cannot be", arguments: descriptions.indices)
  func hostile(_ index: Int) throws {
    let (text, message) = Self.descriptions[index]
    try withTemporaryFolder { folder in
      let path = folder + "/x.safetensors"
      try saveTensors(
        path, [("a", [1], [1]), ("b", [1], [1])],
        metadata: ["pytorch.version": "1", "pytorch.optimizer": text])
      #expect {
        try Checkpoint(path)
      } throws: {
        "\($0)".contains(message) && $0 is CheckpointError
      }
      try saveTensors(path, [("a", [1], [1])], metadata: ["pytorch.version": "2"])
      let refusal = CheckpointError.metadata(
        file: path, key: "pytorch.version", reason: "it is \"2\"; allowed is \"1\"")
      #expect(throws: refusal) { try Checkpoint(path) }
    }
  }
}
