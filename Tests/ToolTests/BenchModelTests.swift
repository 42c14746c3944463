import Descent
import Foundation
import Testing

@testable import descent_tool

@Suite struct BenchModelTests {
  private static let layouts = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Benchmarks/layouts").standardizedFileURL

  @Test(arguments: [
    ("gpt2-124m", "GPT-2 small", 148, 124_439_808),
    ("bert-base-110m", "BERT base", 199, 109_482_240), ("resnet-50", "ResNet-50", 161, 25_557_032),
    ("llama-3-8b", "Llama 3 8B", 291, 8_030_261_248),
  ])
  func theModelsAreThere(file: String, name: String, tensors: Int, count: Int) throws {
    let model = try BenchmarkModel(path: Self.layouts.appending(path: "\(file).json").path)
    let layout = try model.layout()
    #expect(model.model == name)
    #expect(layout.tensors.count == tensors)
    #expect(layout.count == count)
  }

  private func model(_ text: String) throws -> BenchmarkModel {
    try withTemporaryFolder { folder in
      let file = folder.appending(path: "model.json")
      try Data(text.utf8).write(to: file)
      do {
        return try BenchmarkModel(path: file.path)
      } catch BenchmarkError.layout(let path, let reason) {
        #expect(path == file.path)
        throw BenchmarkError.layout(file: "model.json", reason: reason)
      }
    }
  }

  @Test func shapesCanBeScaledAlignedAndGrouped() throws {
    let model = try model(
      """
      {"model": "m", "tensors": [{"name": "a", "shape": [7, 3]}, {"name": "b", "shape": []},
        {"name": "c", "shape": [1, 2]}, {"name": "d", "shape": [0]}]}
      """)
    let scaled = try model.layout(dividedBy: 4)
    #expect(scaled.tensors.map(\.shape) == [[2, 3], [], [1, 2], [0]])
    let arena = try model.layout(alignment: 512)
    #expect(arena.tensors.map(\.range.lowerBound) == [0, 128, 256, 384])
    let grouped = try model.layout(groups: 3)
    #expect(grouped.tensors.map(\.group) == ["default", "group 1", "group 2", "default"])
    #expect(grouped.group("group 2")?.learningRateFactor == 1.0 / 3)
  }

  @Test func whatIsNoModelIsRefused() {
    func refused(_ text: String) -> BenchmarkError? {
      #expect(throws: BenchmarkError.self) { try model(text) }
    }
    #expect(
      refused(#"{"model": "m", "parameters": 5, "tensors": [{"name": "a", "shape": [4]}]}"#)
        == .layout(
          file: "model.json", reason: "it says 5 parameters, but its tensors have 4"))
    #expect(
      "\(refused(#"{"model": "m", "tensors": [{"name": "a"}]}"#).map { "\($0)" } ?? "")"
        .hasPrefix("model.json: not a list of tensors: tensors.[0]: "))
    #expect(
      "\(refused(#"{"model": "m", "tensors": [{"name": "a", "shape": [-1]}]}"#).map { "\($0)" } ?? "")"
        .contains("a size of -1"))
    #expect(
      throws: BenchmarkError.layout(file: "/nowhere.json", reason: "No such file or directory")
    ) {
      try BenchmarkModel(path: "/nowhere.json")
    }
  }
}
