import DescentTestSupport
import Foundation
import Testing

@testable import Descent

@Suite struct ParameterLayoutTests {
  @Test("tensors lie one after another")
  func ranges() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [2, 3])
    try layout.append("scalar", shape: [])
    try layout.append("none", shape: [4, 0])
    try layout.append("b", shape: [5])
    #expect(layout.tensors.map(\.range) == [0..<6, 6..<7, 7..<7, 7..<12])
    #expect(layout.count == 12 && layout["b"]?.shape == [5] && layout["c"] == nil)
    let data = try JSONEncoder().encode(layout)
    #expect(try JSONDecoder().decode(ParameterLayout.self, from: data) == layout)
  }

  @Test("an arena places tensors at multiples, and offsets place them where they lie")
  func places() throws {
    var arena = try ParameterLayout(alignment: 512)
    for (name, size) in [("a", 1), ("b", 128), ("c", 129), ("d", 0), ("e", 1)] {
      try arena.append(name, shape: [size])
    }
    #expect(arena.tensors.map(\.range) == [0..<1, 128..<256, 256..<385, 512..<512, 512..<513])
    #expect(arena.count == 513 && arena.elementCount == 259)
    var flat = ParameterLayout()
    try flat.append("a", shape: [3], at: 5)
    try flat.append("b", shape: [2])
    #expect(flat.tensors.map(\.range) == [5..<8, 8..<10] && flat.elementCount == 5)
    for layout in [arena, flat] {
      let data = try JSONEncoder().encode(layout)
      #expect(try JSONDecoder().decode(ParameterLayout.self, from: data) == layout)
    }
  }

  @Test("groups are named by tensors, set by name or by predicate, and travel")
  func groups() throws {
    var layout = ParameterLayout()
    try layout.append("w", shape: [2, 2])
    try layout.append("b", shape: [2], group: "bias")
    try layout.append("v", shape: [3])
    #expect(layout.groupNames == ["default", "bias"])
    try layout.setGroup("bias", to: ParameterGroup(weightDecay: 0))
    #expect(
      message { try layout.setGroup("bais", to: ParameterGroup()) }
        == "there is no group \"bais\"; there is default, bias")
    #expect(
      message { try layout.setGroup("bias", to: ParameterGroup(learningRateFactor: -1)) }
        == "group \"bias\": learningRateFactor is -1.0; allowed is a number of at least 0 that a Float can hold"
    )
    #expect(
      message { try layout.setGroup("bias", to: ParameterGroup(weightDecay: .nan)) }
        .contains("weightDecay is nan"))
    #expect(layout.group("bias") == ParameterGroup(weightDecay: 0))
    let data = try JSONEncoder().encode(layout)
    #expect(try JSONDecoder().decode(ParameterLayout.self, from: data) == layout)

    layout.assign(to: "vectors") { $0.shape.count == 1 }
    #expect(layout.groupNames == ["default", "vectors"] && layout.group("bias") == nil)
    #expect(layout.tensors.map(\.group) == ["default", "vectors", "vectors"])
    // Neighbours of one group are one stretch.
    #expect(layout.stretches().map(\.range) == [0..<4, 4..<9])
  }

  @Test("a size of 0 makes a tensor empty, however large the others")
  func emptyTensor() throws {
    var layout = ParameterLayout()
    try layout.append("none", shape: [Int.max, 2, 0])
    #expect(layout.count == 0)
  }

  @Test("what cannot be is refused, and the layout stays")
  func errors() throws {
    var layout = try ParameterLayout(count: 3)
    let before = layout
    #expect(
      message { try layout.append("parameters", shape: [1]) }
        == "tensor \"parameters\": the name is taken")
    #expect(message { try layout.append("", shape: [1]) }.contains("must not be empty"))
    #expect(
      message { try layout.append("x", shape: [2, -1]) }
        == "tensor \"x\": a size of -1 in its shape [2, -1]")
    #expect(
      message { try layout.append("x", shape: [Int.max, 2]) }.contains("more elements than memory"))
    #expect(
      message { try layout.append("x", shape: [Int.max - 2]) }.contains("more elements than memory")
    )
    #expect(
      message { try layout.append("x", shape: [1], at: 2) }
        == "tensor \"x\": an offset of 2, before the last tensor's end at 3")
    #expect(
      message { try layout.append("x", shape: [1], at: Int.max) }.contains("more elements than"))
    #expect(layout == before)
    #expect(message { _ = try ParameterLayout(count: -1) }.contains("a size of -1"))
    #expect(message { _ = try ParameterLayout(alignment: 96) }.contains("a power of two"))
    let entry = #"{"name": "a", "shape": [1], "offset": 0, "group": "default"}"#
    let bad = Data(#"{"alignment": 4, "groups": {}, "tensors": [\#(entry), \#(entry)]}"#.utf8)
    #expect(
      message { _ = try JSONDecoder().decode(ParameterLayout.self, from: bad) }
        == "tensor \"a\": the name is taken")
  }
}
