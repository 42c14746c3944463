import ArgumentParser
import Descent

#if OpenCL
import OpenCLHost
#endif

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Find the fastest launch shape of each rule on OpenCL devices, and remember it.",
    discussion: """
      A work-item updates 1 to 16 floats, its lanes, and a group has 64 to 1024 items. The shape \
      changes no bit, only the speed. The shapes that a rough pass finds fastest alternate with \
      the default for nine rounds; what wins eight of them, and at least 2% in the median, is kept \
      in the cache folder for this device and version of its driver, and used from then on \
      wherever no shape is asked for. Otherwise the default stays.

      The folder is $DESCENT_CACHE, an absolute path or one in ~/, else $XDG_CACHE_HOME/descent, \
      else $HOME/.cache/descent. Folders that other users may change are not used.

      JSON: results of device, description, driver, rule, kernel, count, defaultLanes, \
      defaultGroup, defaultSeconds, lanes, group, seconds, gainPercent, kept, reason; reason says \
      why a shape was not kept.
      """)

  @Option(
    help: "\(SelectedEngine.openCLNames), several between commas, or all.",
    completion: .list(["opencl", "all"]))
  var device = "all"

  @Option(
    help: rulesHelp, completion: .list(Rules.all.map { $0.name } + ["all"]))
  var rule = "all"

  @Option(
    parsing: .unconditional,
    help: "Elements to update. Otherwise 16 Mi, or what the device has room for.")
  var count: Int?

  @Flag(help: "Forget what was found for these rules and devices, and measure nothing.")
  var forget = false

  @OptionGroup var json: JSONOption

  func validate() throws {
    _ = try selectedRules(rule)
    _ = try SelectedEngine.parse(device)
    if let count, count < 1 { throw ValidationError("--count is \(count); allowed is 1 or more") }
    #if OpenCL
    if CacheFolder.user == nil {
      throw ValidationError(
        "there is no folder to keep shapes in: DESCENT_CACHE is off, or neither an absolute path "
          + "nor one in ~/, or HOME is not set")
    }
    let isAll = device.split(separator: ",").contains("all")
    for engine in try SelectedEngine.parse(device) where engine.device == nil && !isAll {
      throw ValidationError("\(engine.name) has no launch shape: only OpenCL devices do")
    }
    #endif
  }

  #if OpenCL
  func run() throws {
    guard let folder = CacheFolder.user else { return }
    let console = json.console
    let isAll = device.split(separator: ",").contains("all")
    let engines = try SelectedEngine.parse(device).filter {
      // One that is named and not available fails aloud.
      $0.device != nil && (!isAll || $0.device?.isAvailable == true)
    }
    if engines.isEmpty {
      try console.print("No OpenCL device was found: there is nothing to tune.")
    }
    if forget {
      if device == "all" && rule == "all" { folder.removeAll(.shapes) }
      for engine in engines { try forget(engine, folder) }
      return try json.write([Result](), of: "tune")
    }
    var results: [Result] = []
    for engine in engines { results += try tune(engine, folder) }
    if !results.isEmpty { try console.print(Self.table(of: results)) }
    for result in results where result.failed {
      try console.print("\(result.rule) on \(result.device): \(result.reason ?? "")")
    }
    if results.contains(where: \.kept) { try console.print("Kept in \(folder.path)/shapes.") }
    try json.write(results, of: "tune")
    if results.contains(where: \.failed) { throw ExitCode.failure }
  }

  /// A variant for each kernel that the rules have; AdamW's, say, is Adam's. Rules over matrices
  /// are left out: they are dominated by products, whose launches have no shape to choose.
  private func variants() throws -> [(rule: String, variant: RuleVariant)] {
    var seen: Set<String> = []
    let rules = try selectedRules(rule)
    let tuned = rules.filter { !$0.init().needsMatrices }
    if tuned.isEmpty, let first = rules.first {
      throw ValidationError(
        "\(first.name) is dominated by matrix products, whose launches have no shape to tune")
    }
    return tuned.flatMap { rule in
      rule.variants.filter { seen.insert($0.rule.kernel).inserted }.map { (rule.name, $0) }
    }
  }

  private func forget(_ engine: SelectedEngine, _ folder: CacheFolder) throws {
    guard let device = engine.device else { return }
    var shapes = TunedShapes(of: device, in: folder)
    for variant in try variants() { shapes[variant.variant.rule.kernel] = nil }
    try shapes.save()
    try json.console.print("\(engine.name) launches by the table again.")
  }

  private func tune(_ engine: SelectedEngine, _ folder: CacheFolder) throws -> [Result] {
    guard let device = engine.device else { return [] }
    let count = count ?? ShapeTimer.defaultCount(for: device)
    let most = device.largestAllocation / MemoryLayout<Float>.stride
    guard count <= most else {
      throw ValidationError("--count is \(count); allowed on \(engine.name) is 1 to \(most)")
    }
    var results: [Result] = []
    for (rule, variant) in try variants() {
      let kernel = variant.rule.kernel
      var result = Result(engine.name, device, rule: rule, kernel: kernel, count: count)
      var bar: ProgressBar?
      do {
        let outcome = try ShapeTuning(variant: variant, device: device, count: count).run {
          if bar == nil { bar = ProgressBar("tuning \(kernel) on \(engine.name)", total: $1) }
          bar?.update($0)
        }
        result.take(outcome)
        // Read anew, so that another device's or process's shapes are not undone.
        var shapes = TunedShapes(of: device, in: folder)
        shapes[kernel] = outcome.isKept ? outcome.shape : nil
        bar?.erase()
        try shapes.save()
      } catch let error where !(error is CacheFolderError) {
        bar?.erase()
        result.fail("\(error)")
      }
      results.append(result)
    }
    return results
  }
  #else
  func run() throws {
    try json.console.print("This build has no OpenCL: there is nothing to tune.")
    try json.write([String](), of: "tune")
  }
  #endif
}
