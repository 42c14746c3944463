import DescentTestSupport
import Foundation
import Testing

@testable import Descent
@testable import Safetensors

#if OpenCL
import OpenCLHost
#endif

/// What checkpoints hold and how they are taken up.
@Suite struct CheckpointTests {
  private func trained(
    _ rule: any UpdateRule = Adam(), on choice: EngineChoice = .cpu, steps: Int = 3
  ) throws -> (optimizer: Optimizer, parameters: [Float]) {
    let optimizer = try Optimizer(rule, layout: SmallModel.layout(), on: choice)
    var parameters = SmallModel.steps.parameters
    try SmallModel.train(optimizer, &parameters, 1...steps)
    return (optimizer, parameters)
  }

  @Test("names, shapes and metadata are those of the documentation")
  func names() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let (optimizer, parameters) = try trained()
      try optimizer.save(to: path, parameters: parameters, metadata: ["epoch": "4"])
      let file = try SafetensorsFile(path)
      let names = optimizer.layout.tensors.map(\.name)
      #expect(
        file.tensors.map(\.name)
          == names + names.map { "optimizer.m." + $0 } + names.map { "optimizer.v." + $0 })
      for tensor in optimizer.layout.tensors {
        for name in ["", "optimizer.m.", "optimizer.v."] {
          #expect(file[name + tensor.name]?.shape == tensor.shape)
          #expect(file[name + tensor.name]?.type == .float32)
        }
        #expect(try bits(file.floats(tensor.name)) == bits(Array(parameters[tensor.range])))
        #expect(
          try bits(file.floats("optimizer.v." + tensor.name))
            == bits(optimizer.state("v", of: tensor.name)))
      }
      #expect(
        file.metadata["optimizer.rule"]
          == #"{"hyperparameters":{"beta1":0.9,"beta2":0.999,"biasCorrection1":true,"#
          + #""biasCorrection2":true,"decoupled":false,"epsilon":1e-08,"#
          + #""epsilonBeforeCorrection":false,"learningRate":0.001,"maximize":false,"#
          + #""rootEpsilon":0.0,"weightDecay":0.0},"name":"adam"}"#)
      #expect(
        file.metadata["optimizer.steps"]
          == #"{"groups":{"biases":3,"default":3},"skipped":0,"taken":3}"#)
      #expect(
        file.metadata["optimizer.control"]
          == #"{"averageHasBegun":false,"leftOut":[],"skipsNonFinite":false}"#)
      #expect(file.metadata["optimizer.version"] == "1" && file.metadata["epoch"] == "4")

      let checkpoint = try Checkpoint(path)
      #expect(checkpoint.metadata == ["epoch": "4"] && checkpoint.hasParameters)
      #expect(try checkpoint.status == optimizer.status && checkpoint.naming == .descent)
      #expect(try checkpoint.state() == optimizer.state)
      #expect(Checkpoint.tensorName(ofState: "m", of: "a") == "optimizer.m.a")
      // The same state is the same file.
      let before = try Data(contentsOf: URL(filePath: path))
      try optimizer.save(to: path, parameters: parameters, metadata: ["epoch": "4"])
      #expect(try Data(contentsOf: URL(filePath: path)) == before)
    }
  }

  @Test("without parameters, and in shards")
  func shards() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let (optimizer, parameters) = try trained()
      try optimizer.save(to: path)
      #expect(try !Checkpoint(path).hasParameters)
      var copy = parameters
      #expect {
        try optimizer.load(from: path, parameters: &copy)
      } throws: {
        "\($0)".contains("tensor \"hidden.weight\": it is missing in")
      }
      try optimizer.save(to: path, parameters: parameters, shardSize: 600)
      #expect(try folderContents(folder).contains("run.safetensors.index.json"))
      #expect(try SafetensorsReader(path).files.count == 6)
      let twin = try Optimizer(Adam(), layout: SmallModel.layout(), on: .reference)
      copy = Array(repeating: 0, count: copy.count)
      try twin.load(from: path, parameters: &copy)
      #expect(try bits(copy) == bits(parameters) && twin.state == optimizer.state)
    }
  }

  @Test("tensors larger than a piece, and a layout that lies otherwise")
  func pieces() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let count = Optimizer.pieceCount * 2 + 77
      var layout = ParameterLayout()
      try layout.append("a", shape: [3])
      try layout.append("b", shape: [count])
      var parameters = (0..<layout.count).map { Float($0 % 1000) }
      let gradients = (0..<layout.count).map { Float($0 % 777) - 300 }
      for choice in try TestEngines.choices() {
        let optimizer = try Optimizer(Momentum(), layout: layout, on: choice)
        try optimizer.step(&parameters, gradients: gradients)
        try optimizer.save(to: path, parameters: parameters)
        var arena = try ParameterLayout(alignment: 512)
        try arena.append("b", shape: [count])
        try arena.append("a", shape: [3])
        let other = try Optimizer(Momentum(), layout: arena, on: choice)
        var copy = [Float](repeating: 7, count: arena.count)
        try other.load(from: path, parameters: &copy)
        for tensor in layout.tensors {
          let range = try #require(arena[tensor.name]).range
          #expect(Array(copy[range]) == Array(parameters[tensor.range]))
          #expect(
            try other.state("b", of: tensor.name) == optimizer.state("b", of: tensor.name))
        }
        // Elements between tensors belong to no tensor.
        #expect(copy[count] == 7)
        try optimizer.load(other.state)
      }
    }
  }

  @Test("what is not the optimizer's is refused, and leaves it as it was")
  func mismatches() throws {
    let (optimizer, parameters) = try trained()
    let before = try optimizer.state
    func refusal(_ state: OptimizerState, by optimizer: Optimizer) throws -> String {
      do {
        try optimizer.load(state)
        return ""
      } catch {
        return "\(error)"
      }
    }
    func changed(_ change: (inout OptimizerState) throws -> Void) throws -> String {
      var state = before
      try change(&state)
      return try refusal(state, by: optimizer)
    }
    #expect(
      try refusal(trained(SGD()).optimizer.state, by: optimizer)
        == "the states are those of sgd; the optimizer's rule is adam")
    #expect(
      try refusal(
        trained(Momentum(learningRateInBuffer: true)).optimizer.state,
        by: trained(Momentum()).optimizer)
        == "the states are those of momentum (momentum of steps); the optimizer's rule is momentum")
    #expect(
      try changed { $0.status.stepCount = -1 }
        == "the step count is -1; allowed is 0 to 9007199254740992")
    #expect(
      try changed { $0.status.groupStepCounts["default"] = .max }.hasPrefix(
        "the step count of group \"default\" is 9223372036854775807"))
    #expect(
      try changed { $0.status.groupStepCounts["others"] = 1 }.hasPrefix(
        "there is no group \"others\""))
    #expect(
      try changed { $0.status.rule = Adam(beta1: 2) }
        == "adam: beta1 is 2.0; allowed is a number of at least 0 and below 1 that a Float can hold"
    )
    #expect(try changed { $0.status.clipping = .value(-1) }.contains("limit is -1.0"))
    #expect(try changed { $0.status.lossScale = LossScale(scale: 0) }.contains("scale is 0.0"))
    #expect(try changed { $0.values["v"] = nil }.contains("\"v\" is needed"))
    #expect(try changed { $0.values["w"] = [] }.contains("no state of adam \"w\""))
    #expect(try changed { $0.values["v"] = [1] }.contains("1 given, 213 expected"))
    var layout = ParameterLayout()
    try layout.append("hidden.weight", shape: [19, 7])
    #expect(
      try changed {
        $0.status.layout = layout
        $0.status.groupStepCounts = ["default": 3]
        $0.values = ["m", "v"].reduce(into: [:]) { $0[$1] = Array(repeating: 0, count: 133) }
      }
        == "tensor \"hidden.weight\": the shape [19, 7] in the state; the optimizer's is [7, 19]")
    let small = try Optimizer(Adam(), layout: layout, on: .cpu)
    #expect(
      try refusal(before, by: small)
        == "tensor \"hidden.weight\": the shape [7, 19] in the state; the optimizer's is [19, 7]")
    #expect(try optimizer.state == before)
    // And it goes on.
    var (a, b) = (parameters, parameters)
    let twin = try Optimizer(before, on: .cpu)
    try SmallModel.train(optimizer, &a, 4...5)
    try SmallModel.train(twin, &b, 4...5)
    #expect(bits(a) == bits(b))
  }

  @Test("groups may be cut otherwise where nothing is lost by it")
  func groups() throws {
    let (optimizer, _) = try trained()
    var layout = try SmallModel.layout()
    layout.assign(to: "mine") { $0.name == "hidden.bias" }
    let finer = try Optimizer(Adam(), layout: layout, on: .cpu)
    try finer.load(optimizer.state)
    #expect(try finer.group("mine") == ParameterGroup(learningRateFactor: 0.5, weightDecay: 0))
    #expect(try finer.stepCount(ofGroup: "mine") == 3)
    try optimizer.load(finer.state)

    try finer.setGroup("mine", to: ParameterGroup())
    #expect {
      try optimizer.load(finer.state)
    } throws: {
      "\($0)"
        == "group \"biases\": \"hidden.bias\" and \"output.bias\" had different settings; allowed are "
        + "the same in a group"
    }
    var state = try optimizer.state
    try state.status.layout.setGroup("biases", to: ParameterGroup(clipping: .globalNorm(1)))
    #expect {
      try finer.load(state)
    } throws: {
      "\($0)".contains("clipped together")
    }
    state = try finer.state
    try state.status.layout.setGroup(
      "mine", to: state.status.layout.group("biases") ?? ParameterGroup())
    state.status.groupStepCounts["mine"] = 1
    #expect {
      try optimizer.load(state)
    } throws: {
      "\($0)".contains("\"hidden.bias\" has taken 1 steps and \"output.bias\" 3")
    }
  }

  @Test("settled and torn optimizers have no state; names may collide")
  func noState() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let (optimizer, start) = try trained(Nesterov())
      var parameters = start
      let state = try optimizer.state
      try optimizer.settle(&parameters)
      #expect(throws: DescentError.settled) { try optimizer.save(to: path) }
      try optimizer.load(state)
      try optimizer.save(to: path)
      optimizer.schedule = .custom { _ in 0.1 }
      #expect(try optimizer.state.status.schedule == optimizer.schedule)
      #expect {
        try optimizer.save(to: path)
      } throws: {
        "\($0)".contains("a custom schedule is a function")
      }
      optimizer.schedule = nil
      optimizer.rule = SGD()
      #expect(throws: DescentError.ruleChanged(from: "nesterov", to: "sgd")) {
        try optimizer.save(to: path)
      }
      var layout = ParameterLayout()
      try layout.append("a", shape: [1])
      try layout.append("optimizer.m.a", shape: [1])
      let odd = try Optimizer(Adam(), layout: layout, on: .cpu)
      try odd.save(to: path)
      #expect(try Checkpoint(path).state() == odd.state)
      #expect {
        try odd.save(to: path, parameters: [1, 2])
      } throws: {
        "\($0)" == "\"optimizer.m.a\": the name is taken"
      }
      for key in ["optimizer.x", "pytorch.x", "checksum:x"] {
        #expect(throws: SafetensorsError.self) { try odd.save(to: path, metadata: [key: ""]) }
      }
      #expect(throws: DescentError.self) { try odd.save(to: path, parameters: [1]) }
    }
  }

  @Test("the average goes along, and is asked for as it was")
  func average() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var (optimizer, parameters) = try trained()
      optimizer.averaging = ParameterAverage(decay: 0.5)
      // It begins with a step.
      try optimizer.save(to: path)
      #expect(try Checkpoint(path).status?.averageHasBegun == false)
      try SmallModel.train(optimizer, &parameters, 4...5)
      try optimizer.save(to: path, parameters: parameters)
      let tensor = try #require(try Checkpoint(path).reader["optimizer.average.hidden.weight"])
      #expect(tensor.shape == [7, 19])
      for choice in try TestEngines.choices() {
        let twin = try Optimizer(Adam(), layout: SmallModel.layout(), on: choice)
        try twin.load(from: path)
        #expect(twin.averaging == ParameterAverage(decay: 0.5))
        #expect(try bits(twin.average()) == bits(optimizer.average()))
        // A part of it, where it has begun.
        var copy = parameters
        try SmallModel.train(twin, &copy, 6...6)
        #expect(try bits(twin.average()) != bits(optimizer.average()))
        #expect(throws: CheckpointError.self) {
          try twin.load(from: Checkpoint(path), tensors: ["scale"])
        }
        let report = try twin.load(from: Checkpoint(path)) { $0.group == "biases" }
        #expect(report.leftOut.contains("hidden.bias"))
        #expect(!report.leftOut.contains("optimizer.average.hidden.bias"))
        #expect(
          try bits(twin.average(of: "hidden.bias")) == bits(optimizer.average(of: "hidden.bias")))
        #expect(try twin.average(of: "scale") != optimizer.average(of: "scale"))
        // And one without it.
        let none = try trained()
        try twin.load(none.optimizer.state)
        #expect(twin.averaging == nil)
      }
      try optimizer.accumulate(parameters)
      #expect {
        try optimizer.save(to: path)
      } throws: {
        "\($0)".contains("gradients are accumulated (1)")
      }
    }
  }

  @Test("a look-ahead point stays ahead by the momentum that was announced")
  func lookAhead() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let optimizer = try Optimizer(
        Nesterov(learningRate: 0.1, nextMomentum: 0.5), layout: SmallModel.layout(), on: .cpu)
      var parameters = [Float](repeating: 1, count: SmallModel.steps.count)
      try optimizer.step(&parameters, gradients: parameters)
      try optimizer.save(to: path, parameters: parameters)
      var (expected, found) = (parameters, parameters)
      try optimizer.writeIterate(from: parameters, into: &expected)
      let twin = try Optimizer(Nesterov(), layout: SmallModel.layout(), on: .reference)
      try twin.load(from: path)
      try twin.writeIterate(from: parameters, into: &found)
      #expect(found == expected)
      // And as before, a step that was not prepared for is refused.
      #expect(throws: DescentError.momentumNotAnnounced(announced: 0.5, given: 0.9)) {
        try twin.step(&found, gradients: parameters)
      }
    }
  }

  @Test("a state of as many elements in another shape is refused")
  func transposed() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let (old, oldParameters) = try trained(steps: 2)
      for naming in StateNaming.allCases {
        try old.save(to: path, parameters: oldParameters, naming: naming)
        let checkpoint = try Checkpoint(path)
        var layout = ParameterLayout()
        try layout.append("hidden.weight", shape: [19, 7])
        let optimizer = try Optimizer(old.rule, layout: layout, on: .cpu)
        var parameters = [Float](repeating: 2, count: layout.count)
        #expect {
          try optimizer.load(from: checkpoint, parameters: &parameters) { _ in true }
        } throws: {
          "\($0)".contains("the shape [7, 19] in \(path); expected is [19, 7]")
        }
        #expect(parameters.allSatisfy { $0 == 2 })
      }
    }
  }

  @Test("some tensors: a new head for a trained body")
  func newHead() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let (old, oldParameters) = try trained(steps: 9)
      try old.save(to: path, parameters: oldParameters)
      let checkpoint = try Checkpoint(path)
      for choice in try TestEngines.choices() {
        var layout = ParameterLayout()
        try layout.append("hidden.weight", shape: [7, 19])
        try layout.append("hidden.bias", shape: [19])
        try layout.append("output.weight", shape: [19, 5], group: "head")
        try layout.append("output.bias", shape: [5], group: "head")
        let optimizer = try Optimizer(Adam(learningRate: 0.5), layout: layout, on: choice)
        var parameters = [Float](repeating: 2, count: layout.count)
        #expect {
          try optimizer.load(from: checkpoint, parameters: &parameters) { _ in true }
        } throws: {
          "\($0)".contains("tensor \"optimizer.m.output.weight\": the shape [19, 3] in")
        }
        let report = try optimizer.load(from: checkpoint, parameters: &parameters) {
          $0.name.hasPrefix("hidden")
        }
        #expect(report.loaded == ["hidden.weight", "hidden.bias"])
        #expect(report.kept == ["output.weight", "output.bias"])
        #expect(
          report.leftOut == ["scale", "output.weight", "output.bias"]
            + ["m", "v"].flatMap { state in
              ["scale", "output.weight", "output.bias"].map { "optimizer.\(state).\($0)" }
            })
        #expect(try optimizer.stepCount(ofGroup: "default") == 9)
        #expect(try optimizer.stepCount(ofGroup: "head") == 0 && optimizer.stepCount == 0)
        #expect(try optimizer.learningRate == 0.5)
        #expect(bits(Array(parameters[..<152])) == bits(Array(oldParameters[..<152])))
        #expect(parameters[152...].allSatisfy { $0 == 2 })
        #expect(
          try bits(optimizer.state("m", of: "hidden.bias"))
            == bits(old.state("m", of: "hidden.bias")))
        #expect(try optimizer.state("m", of: "output.bias") == [0, 0, 0, 0, 0])
        try optimizer.step(
          &parameters, gradients: [Float](repeating: 1, count: layout.count))

        #expect {
          try optimizer.load(from: checkpoint, tensors: ["output.weight", "head"])
        } throws: {
          "\($0)".hasPrefix("there is no tensor \"head\"")
        }
        #expect {
          try optimizer.load(from: checkpoint, tensors: ["hidden.bias"])
        } throws: {
          "\($0)"
            == "group \"default\": \"hidden.weight\" would stand at step 10 and \"hidden.bias\" at 9; "
            + "allowed is one for the group, so give them groups of their own"
        }
      }
    }
  }

  @Test("what is no state goes along to a file of other names")
  func carried() throws {
    try withTemporaryFolder { folder in
      let (path, other) = (folder + "/run.safetensors", folder + "/other.safetensors")
      let optimizer = try Optimizer(AdamW(), layout: SmallModel.layout(), on: .cpu)
      var parameters = SmallModel.steps.parameters
      try SmallModel.train(optimizer, &parameters, 1...2)
      try optimizer.save(to: path)
      // Some of the parameters, one of another type, and a buffer that is no parameter.
      let from = try SafetensorsReader(path)
      let more = try [
        SafetensorsTensor("hidden.bias", shape: [19]),
        SafetensorsTensor("scale", type: .float16, shape: []),
        SafetensorsTensor("count", type: .int64, shape: []),
      ]
      let mixed = folder + "/mixed.safetensors"
      let writer = try SafetensorsWriter(
        mixed, tensors: more + from.tensors, metadata: from.metadata)
      for tensor in more {
        let bytes = (0..<tensor.byteCount).map { UInt8($0) }
        try bytes.withUnsafeBytes { try writer.append($0, to: tensor.name) }
      }
      for tensor in from.tensors { try writer.append(from.floats(tensor.name), to: tensor.name) }
      try writer.commit()
      for (naming, shardSize) in [(StateNaming.pyTorch, Int.max), (.descent, 256)] {
        try Checkpoint(mixed).write(to: other, naming: naming, shardSize: shardSize)
        let checkpoint = try Checkpoint(other)
        #expect(checkpoint.naming == naming && !checkpoint.hasParameters)
        #expect(checkpoint.reader.tensors.count == more.count + from.tensors.count)
        for tensor in more {
          #expect(checkpoint.reader[tensor.name] == tensor)
          #expect(
            try checkpoint.reader.file(of: tensor.name).bytes(tensor.name)
              == (0..<tensor.byteCount).map { UInt8($0) })
        }
        #expect(try checkpoint.state().values.keys.sorted() == optimizer.stateNames.sorted())
        if naming == .descent { #expect(try checkpoint.state() == optimizer.state) }
      }
    }
  }

  @Test("parameters alone, from a model's file of any float")
  func parametersAlone() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      let writer = try SafetensorsWriter(
        path,
        tensors: [
          SafetensorsTensor("scale", type: .float16, shape: []),
          SafetensorsTensor("hidden.bias", shape: [19]), SafetensorsTensor("other", shape: [1]),
        ])
      try [UInt16(0x3e00)].withUnsafeBytes { try writer.append($0, to: "scale") }
      try writer.append([Float](repeating: 3, count: 19), to: "hidden.bias")
      try writer.append([1], to: "other")
      try writer.commit()
      let (checkpoint, layout) = (try Checkpoint(path), try SmallModel.layout())
      #expect(checkpoint.status == nil && checkpoint.hasParameters)
      var parameters = [Float](repeating: 0, count: layout.count)
      #expect {
        try checkpoint.readParameters(into: &parameters, layout: layout)
      } throws: {
        "\($0)".contains("tensor \"scale\": the type F16 in")
      }
      let report = try checkpoint.readParameters(
        into: &parameters, layout: layout, converting: true)
      #expect(report.loaded == ["hidden.bias", "scale"] && report.leftOut == ["other"])
      #expect(report.kept == ["hidden.weight", "output.weight", "output.bias"])
      #expect(Array(parameters[132...152]) == [0] + [Float](repeating: 3, count: 19) + [1.5])
      let optimizer = try Optimizer(SGD(), layout: layout, on: .cpu)
      #expect(throws: CheckpointError.noOptimizer(file: path)) { try optimizer.load(from: path) }
    }
  }

  #if OpenCL
  @Test("steps that are enqueued are waited for", .needsDevice)
  func enqueued() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for queue in try TestDevices.queues.get() {
        let layout = try SmallModel.layout()
        let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        let twin = try Optimizer(Adam(), layout: layout, on: .reference)
        var parameters = SmallModel.steps.parameters
        let x = try Buffer(queue.context, copying: parameters)
        for step in 1...9 {
          let g = try Buffer(queue.context, copying: SmallModel.steps.gradients(step))
          try optimizer.enqueueStep(x, gradients: g)
        }
        try optimizer.save(to: path)
        try SmallModel.train(twin, &parameters, 1...9)
        #expect(try Checkpoint(path).state() == twin.state)
        #expect(try bits(x.read(on: queue)) == bits(parameters))
      }
    }
  }
  #endif
}
