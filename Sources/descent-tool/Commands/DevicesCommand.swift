import ArgumentParser
import Descent

#if OpenCL
import OpenCLHost
#endif

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "Show every engine and OpenCL device, and which one .automatic takes.",
    discussion: """
      JSON: results of name, type, description, platform, driver, memoryBytes, \
      largestAllocationBytes, lanes, correctlyRounded, half, double, sameBits, reason, automatic. \
      Where a value means nothing for an engine it is null. reason says why .automatic takes an \
      engine, or all that a driver does not promise of the reference's bits.
      """)

  @OptionGroup var json: JSONOption

  func run() throws {
    let automatic = AutomaticChoice()
    var results = [Self.cpu, Self.reference]
    #if OpenCL
    results += Device.all.enumerated().map { Self.result($0, $1) }
    #endif
    let taken = SelectedEngine.automatic
    for index in results.indices where results[index].name == taken {
      results[index].automatic = true
      results[index].reason = automatic.reason
    }

    let console = json.console
    try console.print(Self.table(results))
    try console.print()
    try console.print("Automatic takes \(taken): \(automatic.reason).")
    for result in results where !result.sameBits {
      try console.print(
        "\(result.name) may differ in the last bits: \(result.reason ?? ""). "
          + "`descent verify --device \(result.name)` compares them.")
    }
    #if OpenCL
    for (index, device) in Device.all.enumerated() where !TunedShapes(of: device).isEmpty {
      try console.print("opencl:\(index) launches as descent tune found best.")
    }
    for hint in DriverFiles.ofLoader.hints(Platform.all, Device.all) { try console.print(hint) }
    for failure in Device.discovery.failures { try console.print("Passed over: \(failure)") }
    #else
    try console.print("This build has no OpenCL.")
    #endif
    try json.write(results, of: "devices")
  }

  private static func table(_ results: [Result]) -> Table {
    var table = Table(
      .left("engine"), .left("type"), .left("description"), .left("platform"), .left("driver"),
      .right("memory"), .right("largest"), .right("lanes"), .left("exact ÷ √"), .left("half"),
      .left("double"))
    for result in results {
      table.append(
        result.name, result.type, result.description, result.platform ?? "", result.driver ?? "",
        gibi(result.memoryBytes), gibi(result.largestAllocationBytes), "\(result.lanes)",
        word(result.correctlyRounded),
        word(result.half), word(result.double))
    }
    return table
  }

  private static func gibi(_ bytes: Int?) -> String {
    guard let bytes else { return "" }
    let tenths = (Double(bytes) / Double(1 << 30) * 10).rounded() / 10
    return "\(tenths) GiB"
  }

  private static func word(_ value: Bool?) -> String {
    value.map { $0 ? "yes" : "no" } ?? ""
  }

  private static var cpu: Result {
    Result(
      name: "cpu", type: "engine",
      description: InstructionSet.available.map { $0.rawValue }.joined(separator: ", "),
      lanes: InstructionSet.best.lanes ?? 1,
      correctlyRounded: true, sameBits: true)
  }

  private static var reference: Result {
    Result(
      name: "reference", type: "engine", description: "plain Swift, for tests", lanes: 1,
      correctlyRounded: true, sameBits: true)
  }

  #if OpenCL
  private static func result(_ index: Int, _ device: Device) -> Result {
    var result = Result(
      name: "opencl:\(index)", type: "\(device.type)", description: device.name,
      lanes: LaunchShape(for: device).lanes,
      correctlyRounded: device.hasCorrectlyRoundedDivideAndSquareRoot,
      sameBits: device.sameBits.isYes)
    result.platform = device.platform.name
    result.driver = device.driverVersion
    result.memoryBytes = device.globalMemory
    result.largestAllocationBytes = device.largestAllocation
    result.half = device.hasHalf
    result.double = device.hasDouble
    if case .no(let why) = device.sameBits { result.reason = why }
    return result
  }
  #endif

  /// One engine.
  struct Result: Encodable {
    var name: String
    var type: String
    var description: String
    var lanes: Int
    var correctlyRounded: Bool
    /// Whether it says of itself that it gives the reference's bits.
    var sameBits: Bool
    var platform: String?
    var driver: String?
    var memoryBytes: Int?
    var largestAllocationBytes: Int?
    var half: Bool?
    var double: Bool?
    /// Why `.automatic` takes it, or why its bits may differ.
    var reason: String?
    var automatic = false

    init(
      name: String, type: String, description: String, lanes: Int, correctlyRounded: Bool,
      sameBits: Bool
    ) {
      self.name = name
      self.type = type
      self.description = description
      self.lanes = lanes
      self.correctlyRounded = correctlyRounded
      self.sameBits = sameBits
    }

    private enum CodingKeys: String, CodingKey {
      case name, type, description, lanes, correctlyRounded, sameBits, platform, driver
      case memoryBytes, largestAllocationBytes, half, double, reason, automatic
    }

    /// Every key, absent values as null.
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(name, forKey: .name)
      try values.encode(type, forKey: .type)
      try values.encode(description, forKey: .description)
      try values.encode(lanes, forKey: .lanes)
      try values.encode(correctlyRounded, forKey: .correctlyRounded)
      try values.encode(sameBits, forKey: .sameBits)
      try values.encode(platform, forKey: .platform)
      try values.encode(driver, forKey: .driver)
      try values.encode(memoryBytes, forKey: .memoryBytes)
      try values.encode(largestAllocationBytes, forKey: .largestAllocationBytes)
      try values.encode(half, forKey: .half)
      try values.encode(double, forKey: .double)
      try values.encode(reason, forKey: .reason)
      try values.encode(automatic, forKey: .automatic)
    }
  }
}
