import Logging

#if OpenCL
public import OpenCLHost
#endif

/// Where an optimizer runs.
public struct EngineChoice: Sendable {
  enum Kind: Sendable {
    case automatic
    case cpu(CPUOptions)
    case reference
    #if OpenCL
    case device(Device, LaunchShape?)
    case queue(CommandQueue, LaunchShape?, chunk: Int? = nil)
    #endif
  }

  let kind: Kind

  /// The CPU engine, unless an OpenCL GPU shares its memory with this machine and gives the same
  /// bits. Over a bus, transferring parameters and gradients costs as much as the update itself. So
  /// a GPU with memory of its own is used only if it is requested by `.openCL`; keep the parameters
  /// on it. OpenCL devices that are processors are used only if requested.
  public static let automatic = EngineChoice(kind: .automatic)

  /// This processor, with the widest instructions it has and as many threads as `DESCENT_THREADS`
  /// says, or else one for every processor that this process may use.
  public static let cpu = EngineChoice(kind: .cpu(CPUOptions()))

  /// Plain Swift, one element at a time: for tests, and for reading.
  public static let reference = EngineChoice(kind: .reference)

  /// This processor, with a number of threads and an instruction set of the caller's choice.
  /// Neither changes a bit of the result.
  public static func cpu(threads: Int? = nil, instructions: InstructionSet? = nil) -> EngineChoice {
    EngineChoice(kind: .cpu(CPUOptions(threads: threads, instructions: instructions)))
  }

  /// The same with blocks and batches of matrices of another length, so that tests can have many
  /// of them.
  package static func cpu(
    threads: Int, instructions: InstructionSet?, block: Int = CPUOptions().block,
    matrixWorkspace: Int = CPUOptions().matrixWorkspace
  ) -> EngineChoice {
    EngineChoice(
      kind: .cpu(
        CPUOptions(
          threads: threads, instructions: instructions, block: block,
          matrixWorkspace: matrixWorkspace)))
  }

  #if OpenCL
  /// An OpenCL device, in a context of the optimizer's own: see ``Optimizer/queue``.
  ///
  /// Without a shape it is the one that `descent tune` found for the rule, if it did; see
  /// ``Optimizer/engineReason``.
  public static func openCL(_ device: Device, shape: LaunchShape? = nil) -> EngineChoice {
    EngineChoice(kind: .device(device, shape))
  }

  /// The device, context and queue that a trainer already has; around its own `cl_command_queue`,
  /// `.openCL(CommandQueue(retaining: queue))`.
  public static func openCL(_ queue: CommandQueue, shape: LaunchShape? = nil) -> EngineChoice {
    EngineChoice(kind: .queue(queue, shape))
  }

  /// The same, but host memory is transferred in chunks as for a device with memory of its own. The
  /// caller chooses the chunk length, so that tests can have many chunks on a device that shares
  /// memory.
  package static func openCL(
    _ queue: CommandQueue, shape: LaunchShape? = nil, carrying chunk: Int
  ) -> EngineChoice {
    EngineChoice(kind: .queue(queue, shape, chunk: chunk))
  }
  #endif
}

extension EngineChoice {
  /// The engine, and why it is this one.
  func engine(
    for programs: RulePrograms, logger: Logger? = nil
  ) throws -> (any Engine, String) {
    switch kind {
    case .automatic:
      let automatic = AutomaticChoice()
      #if OpenCL
      if let device = automatic.device {
        return try engine(
          programs, CommandQueue(Context(device)), nil, because: automatic.reason, logger)
      }
      #endif
      return (try automatic.choice.engine(for: programs).0, automatic.reason)
    case .cpu(let options):
      return (try CPUEngine(programs, options: options), "asked for")
    case .reference:
      return (try ReferenceEngine(programs), "asked for")
    #if OpenCL
    case .device(let device, let shape):
      guard device.isAvailable else {
        throw DescentError.value(
          of: "the OpenCL device \(device.name)", given: "not available", allowed: "one that is")
      }
      return try engine(
        programs, CommandQueue(Context(device)), shape, because: "asked for", logger)
    case .queue(let queue, let shape, let chunk):
      return try engine(programs, queue, shape, chunk: chunk, because: "asked for", logger)
    #endif
    }
  }

  #if OpenCL
  /// An engine with the requested shape, else the one that `descent tune` found, else the table's.
  private func engine(
    _ programs: RulePrograms, _ queue: CommandQueue, _ shape: LaunchShape?, chunk: Int? = nil,
    because reason: String, _ logger: Logger?
  ) throws -> (any Engine, String) {
    let known = shape == nil ? TunedShapes(of: queue.device) : nil
    let tuned = programs.list.map { known?[$0.last.kernel] }
    let engine = try OpenCLEngine(
      programs, queue: queue, shape: shape, tuned: tuned, chunk: chunk, logger: logger)
    guard let tuned = tuned[0] else { return (engine, reason) }
    let fitted = engine.launchShape
    let how = fitted == tuned ? "as tuned" : "as tuned, but in the groups that the driver allows"
    return (engine, "\(reason); launched \(how): \(fitted)")
  }
  #endif
}

/// What `.automatic` takes on this machine, and why.
public struct AutomaticChoice: Sendable {
  /// What to hand to an optimizer.
  public let choice: EngineChoice
  /// A sentence.
  public let reason: String
  #if OpenCL
  /// The device taken, nil for the CPU engine.
  public let device: Device?
  #endif

  #if OpenCL
  /// Chooses among `devices`.
  public init(from devices: [Device] = Device.all) {
    let shared = devices.first {
      $0.type.contains(.gpu) && $0.sharesHostMemory && $0.isAvailable && $0.sameBits.isYes
    }
    device = shared
    if let shared {
      choice = .openCL(shared)
      reason = "\(shared.name) shares its memory with this machine"
    } else {
      choice = .cpu
      reason = Self.reasonForCPU(devices)
    }
  }

  private static func reasonForCPU(_ devices: [Device]) -> String {
    guard !devices.isEmpty else { return "there is no OpenCL device" }
    let gpus = devices.filter { $0.type.contains(.gpu) }
    guard let gpu = gpus.first else {
      return "no OpenCL device is a GPU, and OpenCL on a processor is taken only if asked for"
    }
    if gpu.sharesHostMemory, case .no(let why) = gpu.sameBits {
      return "\(gpu.name) may not give the same bits: \(why)"
    }
    return "\(gpu.name) has memory of its own, which pays where parameters stay on it; "
      + "ask for it to do so"
  }
  #else
  public init() {
    choice = .cpu
    reason = "this build has no OpenCL"
  }
  #endif
}

#if OpenCL
/// Whether a device promises arithmetic that agrees with the reference to the last bit.
public enum SameBits: Equatable, Sendable {
  /// It does.
  case yes
  /// It does not, with everything that it does not promise, as a sentence. The bits may be the same
  /// nevertheless: `descent verify` compares them.
  case no(String)

  /// Whether it does.
  public var isYes: Bool { self == .yes }

  /// The properties of a device's arithmetic that the reference's bits require.
  init(roundedDivision: Bool, denormals: Bool, nearest: Bool, infinityAndNaN: Bool) {
    let missing = [
      (roundedDivision, "correctly rounded division and square root"), (denormals, "denormals"),
      (nearest, "rounding to nearest"), (infinityAndNaN, "infinity and NaN"),
    ].filter { !$0.0 }.map { $0.1 }
    self =
      missing.isEmpty ? .yes : .no("the driver does not promise " + missing.joined(separator: ", "))
  }
}

extension Device {
  /// Whether updates on this device give the reference's bits, according to the properties that the
  /// device reports. `descent verify` tests it, also for devices that do not promise it.
  public var sameBits: SameBits {
    SameBits(
      roundedDivision: hasCorrectlyRoundedDivideAndSquareRoot, denormals: keepsDenormals,
      nearest: roundsToNearest, infinityAndNaN: hasInfinityAndNaN)
  }
}
#endif
