import DescentTestSupport
import Foundation
import Testing

@testable import Descent
@testable import Safetensors

/// Checkpoints that were altered or made to do harm: a typed error with the place, and the
/// optimizer is as it was.
@Suite struct CheckpointHostileTests {
  /// A checkpoint, without the checksums that would find any change.
  private struct Unsealed {
    var metadata: [String: String]
    var tensors: [(tensor: SafetensorsTensor, bytes: [UInt8])]

    init(_ path: String) throws {
      let file = try SafetensorsFile(path)
      metadata = try SafetensorsReader(path).metadata
      tensors = try file.tensors.map { ($0, try file.bytes($0.name)) }
    }

    func write(_ path: String) throws {
      var header = try SafetensorsHeader(tensors.map(\.tensor))
      header.metadata = metadata
      try Data(header.bytes + tensors.flatMap(\.bytes)).write(to: URL(filePath: path))
    }
  }

  private static func optimizer() throws -> (Optimizer, [Float]) {
    let optimizer = try Optimizer(AdamW(), layout: SmallModel.layout(), on: .cpu)
    optimizer.clipping = .tensorNorm(1e3)
    try optimizer.setLossScale(LossScale())
    var parameters = [Float](repeating: 0.25, count: SmallModel.steps.count)
    try SmallModel.trainControlled(optimizer, &parameters, 1...6)
    return (optimizer, parameters)
  }

  /// Loads an altered checkpoint, and gives the error's text.
  private func complaint(_ alter: (inout Unsealed) throws -> Void) throws -> String {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var (optimizer, parameters) = try Self.optimizer()
      let (state, start) = (try optimizer.state, parameters)
      try optimizer.save(to: path, parameters: parameters)
      var file = try Unsealed(path)
      try alter(&file)
      try file.write(path)
      do {
        try optimizer.load(from: path, parameters: &parameters)
        return ""
      } catch {
        #expect(try optimizer.state == state && bits(parameters) == bits(start))
        #expect(error is CheckpointError || error is SafetensorsError, "\(error)")
        let text = "\(error)".replacingOccurrences(of: folder + "/", with: "")
        #expect(text.utf8.count < 700)
        return text
      }
    }
  }

  /// An entry, what its value is replaced by, and a piece of what the error says.
  static let entries: [(key: String, value: String?, message: String)] = [
    (
      "optimizer.version", "3", "an optimizer's state of version \"3\"; allowed are \"1\" and \"2\""
    ),
    ("optimizer.version", nil, "there is no optimizer's state in it"),
    ("optimizer.rule", nil, "metadata \"optimizer.rule\": it is missing"),
    ("optimizer.rule", "", "metadata \"optimizer.rule\": byte 0: the end"),
    ("optimizer.rule", "[]", "an array; allowed is an object"),
    ("optimizer.rule", "{}", "no name; allowed is one"),
    ("optimizer.rule", #"{"name":1}"#, #""name": "1"; allowed is a string"#),
    (
      "optimizer.rule", #"{"name":"adamm","hyperparameters":{}}"#, "there is no rule \"adamm\""
    ),
    (
      "optimizer.rule", #"{"name":"adamw","name":"sgd","hyperparameters":{}}"#,
      "\"name\" for the second time"
    ),
    (
      "optimizer.rule", #"{"name":"adamw","hyperparameters":{"beta1":1e999}}"#,
      #""hyperparameters.beta1": "1e999"; allowed is a number"#
    ),
    (
      "optimizer.rule", #"{"name":"adamw","hyperparameters":{"beta1":1}}"#, "adamw: beta1 is 1.0"
    ),
    (
      "optimizer.rule", #"{"name":"adamw","hyperparameters":{"beta1":NaN}}"#,
      "byte 43: \"N\"; allowed is a value"
    ),
    (
      "optimizer.rule", #"{"name":"adamw","hyperparameters":{"beta4":1}}"#,
      "no hyper-parameter of adamw \"beta4\""
    ),
    (
      "optimizer.rule", #"{"name":"amsgrad","hyperparameters":{}}"#,
      "metadata \"optimizer.*\": the states are those of adamw; the optimizer's rule is amsgrad"
    ),
    (
      "optimizer.rule", #"{"name":"sgd","hyperparameters":{}}"#,
      "the states are those of adamw; the optimizer's rule is sgd"
    ),
    (
      "optimizer.rule", #"{"name":"adam","hyperparameters":{}}"#,
      "the states are those of adamw; the optimizer's rule is adam"
    ),
    ("optimizer.last_rule", "x", "metadata \"optimizer.last_rule\": byte 0: \"x\""),
    (
      "optimizer.rule", String(repeating: "[", count: 100_000),
      "byte 64: deeper nesting; allowed is up to 64 levels"
    ),
    ("optimizer.steps", #"{"taken":7}"#, "no skipped; allowed is one"),
    (
      "optimizer.steps", #"{"taken":-7,"skipped":0,"groups":{"default":7,"biases":7}}"#,
      "the step count is -7; allowed is 0 to 9007199254740992"
    ),
    (
      "optimizer.steps", #"{"taken":7.5,"skipped":0,"groups":{"default":7,"biases":7}}"#,
      #""taken": "7.5"; allowed is a whole number"#
    ),
    (
      "optimizer.steps",
      #"{"taken":7,"skipped":0,"groups":{"default":9223372036854775807,"biases":7}}"#,
      "step count of group \"default\" is 9223372036854775807"
    ),
    (
      "optimizer.steps",
      #"{"taken":7,"skipped":0,"groups":{"default":9223372036854775808,"biases":7}}"#,
      "allowed is a whole number"
    ),
    (
      "optimizer.steps", #"{"taken":7,"skipped":0,"groups":{"default":7}}"#,
      "the step count of group \"biases\" is missing; allowed is 0 to 9007199254740992"
    ),
    (
      "optimizer.steps", #"{"taken":7,"skipped":0,"groups":{"default":7,"biases":1,"x":1}}"#,
      "there is no group \"x\""
    ),
    (
      "optimizer.control", #"{"averageHasBegun":false,"leftOut":[],"skipsNonFinite":0}"#,
      "allowed is true or false"
    ),
    (
      "optimizer.control",
      #"{"averageHasBegun":false,"leftOut":[],"skipsNonFinite":true,"clipping":{"globalNorm":{"_0":-1,"epsilon":0}}}"#,
      "clipping: limit is -1.0"
    ),
    (
      "optimizer.control",
      #"{"averageHasBegun":false,"leftOut":[],"skipsNonFinite":true,"lossScale":{"scale":0,"growthFactor":2,"backoffFactor":0.5,"#
        + #""growthInterval":2,"stepsSinceChange":0}}"#, "lossScale: scale is 0.0"
    ),
    (
      "optimizer.control", #"{"averageHasBegun":false,"leftOut":["x"],"skipsNonFinite":false}"#,
      "there is no tensor \"x\""
    ),
    (
      "optimizer.schedule", #"[{"curve":{"constant":{"rate":-1}}}]"#,
      "schedule constant: rate is -1.0"
    ),
    (
      "optimizer.control", #"{"averageHasBegun":true,"leftOut":[],"skipsNonFinite":false}"#,
      "averaging is none, with an average that has begun; allowed is a decay"
    ),
    (
      "optimizer.control",
      #"{"averageHasBegun":true,"averaging":{"decay":1},"leftOut":[],"skipsNonFinite":false}"#,
      "averaging: decay is 1.0"
    ),
    (
      "optimizer.control",
      #"{"averageHasBegun":true,"averaging":{"decay":0},"leftOut":[],"skipsNonFinite":false}"#,
      "tensor \"optimizer.average.hidden.weight\": it is missing"
    ),
    ("optimizer.schedule", "[]", "a schedule's number of parts is 0; allowed is 1 or more"),
    ("optimizer.schedule", #"[{"curve":{"custom":{"function":{}}}}]"#, "a custom schedule is a"),
    ("optimizer.layout", #"{"alignment":3,"tensors":[],"groups":{}}"#, "alignment is 3 bytes"),
    (
      "optimizer.layout", #"{"alignment":4,"tensors":[],"groups":{}}"#,
      "there is no group \""
    ),
    (
      "optimizer.layout",
      #"{"alignment":4,"tensors":[{"name":"a","shape":[9223372036854775807,8],"offset":0,"#
        + #""group":"default"}],"groups":{}}"#, "tensor \"a\": more elements than memory can have"
    ),
    (
      "optimizer.layout",
      #"{"alignment":4,"tensors":[{"name":"a","shape":[1],"offset":-1,"group":"default"}],"#
        + #""groups":{}}"#, "tensor \"a\": an offset of -1"
    ),
    (
      "optimizer.layout",
      #"{"alignment":4,"tensors":[{"name":"a","shape":[1],"offset":0,"group":"g"},"#
        + #"{"name":"a","shape":[1],"offset":1,"group":"g"}],"groups":{}}"#,
      "tensor \"a\": the name is taken"
    ),
  ]

  @Test("metadata that says what cannot be", arguments: entries.indices)
  func metadata(_ index: Int) throws {
    let (key, value, message) = Self.entries[index]
    let text = try complaint { $0.metadata[key] = value }
    #expect(text.contains(message), "\(key): \(value?.prefix(80) ?? "none"): \(text)")
  }

  @Test("a file whose metadata and tensors do not go together")
  func tensors() throws {
    #expect(try complaint { _ in } == "")
    #expect(
      try complaint {
        $0.metadata["optimizer.last_rule"] = nil
        $0.metadata["optimizer.rule"] = #"{"name":"amsgrad","hyperparameters":{}}"#
      } == "tensor \"optimizer.vmax.hidden.weight\": it is missing in run.safetensors")
    #expect(
      try complaint { $0.tensors.removeAll { $0.tensor.name == "optimizer.v.hidden.bias" } }
        == "tensor \"optimizer.v.hidden.bias\": it is missing in run.safetensors")
    #expect(
      try complaint { $0.tensors.removeAll { $0.tensor.name == "hidden.bias" } }
        == "tensor \"hidden.bias\": it is missing in run.safetensors")
    #expect(
      try complaint {
        $0.tensors.append(
          (try SafetensorsTensor("optimizer.w.x", shape: [1]), [0, 0, 0, 0]))
      } == "tensor \"optimizer.w.x\": no state of adamw for a tensor of the layout")
    for name in ["hidden.weight", "optimizer.m.hidden.weight"] {
      let index = try #require(name == "hidden.weight" ? 0 : 5)
      #expect(
        try complaint {
          $0.tensors[index].tensor = try SafetensorsTensor(name, shape: [19, 7])
        }.hasPrefix("tensor \"\(name)\": the shape [19, 7] in run.safetensors; expected is [7, 19]")
      )
      #expect(
        try complaint {
          $0.tensors[index].tensor = try SafetensorsTensor(name, type: .int32, shape: [7, 19])
        } == "tensor \"\(name)\": the type I32 in run.safetensors; expected is F32")
    }
  }

  @Test("a layout that says that tensors lie far apart asks for no memory")
  func farApart() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var layout = ParameterLayout()
      try layout.append("a", shape: [3])
      let optimizer = try Optimizer(Momentum(), layout: layout, on: .cpu)
      try optimizer.save(to: path)
      var file = try Unsealed(path)
      file.metadata["optimizer.layout"] =
        #"{"alignment":4,"tensors":[{"name":"a","shape":[3],"offset":1099511627776,"#
        + #""group":"default"}],"groups":{}}"#
      try file.write(path)
      let checkpoint = try Checkpoint(path)
      for call in [{ _ = try checkpoint.state() }, { _ = try Optimizer(checkpoint) }] {
        #expect {
          try call()
        } throws: {
          "\($0)".contains("1099511627776 elements lie between the tensors; allowed is up to")
        }
      }
      // Into an optimizer that is there it can be loaded.
      try optimizer.load(from: checkpoint)
    }
  }

  @Test("a layout whose tensors no memory holds is refused before any is asked for")
  func huge() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var layout = ParameterLayout()
      try layout.append("w", shape: [3])
      try Optimizer(SGD(), layout: layout, on: .cpu).save(to: path, parameters: [1, 2, 3])
      var file = try Unsealed(path)
      file.metadata["optimizer.layout"] =
        #"{"alignment":4,"tensors":[{"name":"w","shape":[1152921504606846976],"offset":0,"#
        + #""group":"default"}],"groups":{}}"#
      try file.write(path)
      #expect(
        throws: CheckpointError.tensor(
          name: "w", reason: "the shape [3] in \(path); expected is [1152921504606846976]")
      ) { try Checkpoint(path) }
      // Without its parameters and a state there is nothing to compare with.
      file.tensors = []
      try file.write(path)
      let checkpoint = try Checkpoint(path)
      #expect(!checkpoint.hasParameters)
      let error = SafetensorsError.memory(bytes: 1 << 62)
      #expect(throws: error) { try checkpoint.state() }
      #expect(throws: error) { try Optimizer(checkpoint, on: .cpu) }
    }
  }

  @Test("an altered byte anywhere is found before anything is touched")
  func flipped() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var (optimizer, parameters) = try Self.optimizer()
      let (state, start) = (try optimizer.state, parameters)
      try optimizer.save(to: path, parameters: parameters)
      let whole = try Data(contentsOf: URL(filePath: path))
      for place in stride(from: 0, to: whole.count, by: 13) {
        var bytes = whole
        bytes[place] ^= 1 << (place % 8)
        try bytes.write(to: URL(filePath: path))
        do {
          try optimizer.load(from: path, parameters: &parameters)
          Issue.record("byte \(place) passed")
        } catch {
          #expect(error is SafetensorsError, "\(error)")
        }
      }
      for length in stride(from: 0, to: whole.count, by: 61) {
        try whole.prefix(length).write(to: URL(filePath: path))
        #expect(throws: SafetensorsError.self) {
          try optimizer.load(from: path, parameters: &parameters)
        }
      }
      #expect(try optimizer.state == state && bits(parameters) == bits(start))
      try whole.write(to: URL(filePath: path))
      try optimizer.load(from: path, parameters: &parameters)
      #expect(try optimizer.state == state)
    }
  }
}

/// Values as JSON and back.
@Suite struct JSONValueTests {
  @Test("settings of every kind come back as they were")
  func roundTrip() throws {
    func check<Value: Codable & Equatable>(_ value: Value) throws {
      let text = try JSONValue(encoding: value).text
      #expect(try JSONValue(text).decode(Value.self) == value)
      // And are JSON to others.
      #expect(try JSONDecoder().decode(Value.self, from: Data(text.utf8)) == value)
      let theirs = String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
      #expect(try JSONValue(theirs).decode(Value.self) == value)
    }
    try check(SmallModel.layout())
    try check([Clipping.globalNorm(1, epsilon: 1e-6), .tensorNorm(0.1), .value(.pi)])
    try check(LossScale(scale: 0x1.fffffep127))
    try check(Schedule.warmUp(10).then(.cosine(from: 1e-3, to: 1.0 / 3, steps: 90)))
    try check(Nesterov(nextMomentum: 0.7))
    try check([
      1.0, -0.0, Double.leastNonzeroMagnitude, 1.7976931348623157e308, 0.1, 1e-8, 123_456_789,
    ])
    try check([Float(0.1), .leastNonzeroMagnitude, .greatestFiniteMagnitude])
    try check([Int.min, 0, Int.max])
    try check([UInt8(255)])
    try check(["": [String?.none, "é\"\\\n\u{1}🌍"]])
    try check([[[Int]]]())
    try check([true, false])
    for variant in Rules.all.flatMap({ $0.variants }) {
      let text = try JSONValue(encoding: CodedRule(variant.rule)).text
      let back = try JSONValue(text).decode(CodedRule.self).rule
      #expect(AnyHashable(back) == AnyHashable(variant.rule))
    }
  }

  @Test("numbers that a type cannot hold, and functions, are refused")
  func refused() throws {
    #expect(throws: EncodingError.self) { try JSONValue(encoding: [Double.nan]) }
    #expect(throws: EncodingError.self) { try JSONValue(encoding: Float.infinity) }
    #expect(throws: DescentError.self) {
      try JSONValue(encoding: Schedule.custom { _ in 1 })
    }
    for text in ["256", "-1", "1.0", "1e2", "true", "\"1\"", "null", "[]"] {
      #expect(throws: DecodingError.self, "\(text)") { try JSONValue(text).decode(UInt8.self) }
    }
    for text in ["1e400", "-1e400", "\"nan\"", "null"] {
      #expect(throws: DecodingError.self, "\(text)") { try JSONValue(text).decode(Double.self) }
    }
    #expect(throws: DecodingError.self) { try JSONValue("[1]").decode(Schedule.Knot.self) }
    for text in [
      "", " ", "01", "1.", "-", "+1", ".5", "nul", "truee", "[1,]", "{,}", "{\"a\"}", "1 2", "\"",
      "NaN", "Infinity", "{\"a\":1,\"a\":1}", String(repeating: "[", count: 1_000_000),
    ] {
      #expect(throws: SafetensorsError.self, "\(text.prefix(20))") { try JSONValue(text) }
    }
  }
}
