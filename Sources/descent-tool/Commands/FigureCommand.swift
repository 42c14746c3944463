import ArgumentParser
import Descent
import Figures
import Foundation
import Training

struct FigureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "figure",
    abstract: "Run the experiments of the guide \"Optimizers, seen\", and draw them.",
    discussion: """
      Figures: \(Figure.all.map { $0.name }.joined(separator: ", ")), or all.

      JSON: results of name, file, caption, digest and measured, an object of the caption's numbers.
      """)

  @Argument(
    help: "A figure, or all.", completion: .list(Figure.all.map { $0.name } + ["all"]))
  var name: String

  @Option(help: "Where the pictures go.", completion: .directory)
  var outputFolder: String

  @Option(
    help: "The handwritten digits, for the figures that train on them.",
    completion: .file(extensions: ["csv"]))
  var data = Digits.path

  @Option(help: "\(SelectedEngine.names).")
  var device = "cpu"

  @OptionGroup var json: JSONOption

  func validate() throws {
    _ = try figures()
    guard try SelectedEngine.parse(device).count == 1 else {
      throw ValidationError("--device takes one device here, not \"\(device)\"")
    }
  }

  private func figures() throws -> [Figure] {
    if name == "all" { return Figure.all }
    guard let figure = Figure.all.first(where: { $0.name == name }) else {
      let known = Figure.all.map { $0.name }.joined(separator: ", ")
      throw ValidationError("there is no figure \"\(name)\"; there is \(known), all")
    }
    return [figure]
  }

  func run() throws {
    let console = json.console
    let folder = URL(filePath: outputFolder, directoryHint: .isDirectory)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw OutputError(path: outputFolder, reason: error.systemReason)
    }
    let engine = try SelectedEngine.parse(device)[0].sharingContext()
    let figures = try figures()
    var bar = ProgressBar("drawing", total: figures.count)
    var results: [Result] = []
    for (done, figure) in figures.enumerated() {
      bar.update(done)
      let result = try figure.make(engine.choice, digits: data)
      let file = folder.appending(path: figure.name + ".svg")
      try OutputFile(path: file.path).write(result.svg)
      bar.erase()
      try console.print(title: figure.name, "  \(result.caption)")
      results.append(Result(figure.name, file.path, result))
    }
    try json.write(results, of: "figure")
  }

  private struct Result: Encodable {
    let name, file, caption, digest: String
    let measured: [String: Double]

    init(_ name: String, _ file: String, _ result: FigureResult) {
      (self.name, self.file, caption) = (name, file, result.caption)
      digest = result.digest.description
      measured = Dictionary(result.measured.map { ($0.name, $0.value) }) { $1 }
    }
  }
}
