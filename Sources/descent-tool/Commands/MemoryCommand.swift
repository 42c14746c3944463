import ArgumentParser
import Descent

/// What a step takes of this machine's memory: Benchmarks/allocations/check.sh.
struct MemoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Check what steps on the CPU engine take of memory.",
    shouldDisplay: false,
    subcommands: [Allocations.self, Peak.self])

  struct Allocations: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Count the heap allocations of steps 11 to 310, in every manner of stepping.")

    @Option(help: rulesHelp) var rule = "all"

    func validate() throws { _ = try selectedRules(rule) }

    func run() throws {
      let counter = try AllocationCounter()
      let settings = try selectedRules(rule).flatMap { $0.variants }
      var failures = 0
      for manner in StepManner.allCases {
        for threads in [1, 2] {
          let words = "\(manner.rawValue), \(threads) thread\(threads == 1 ? "" : "s")"
          var found = 0
          for setting in settings {
            let trainer = try SteadyTrainer(setting.rule, manner, threads: threads)
            try trainer.steps(1...10)
            let count = try counter.count(showing: failures + found == 0) {
              try trainer.steps(11...310)
            }
            try trainer.check(steps: 310)
            if count == 0 { continue }
            found += 1
            try Console().print("\(setting), \(words): \(count) allocations")
          }
          failures += found
          try Console().print(
            "\(words): \(settings.count - found) of \(settings.count) settings allocate nothing")
        }
      }
      if failures > 0 { throw ExitCode.failure }
    }
  }

  struct Peak: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Hold a process's greatest size to parameters, gradients, states and a little.")

    @Option(help: "One rule.") var rule = "adam"
    @Option(help: "Elements.") var count = 1 << 25
    @Option(help: "Threads.") var threads = 2

    func validate() throws {
      _ = try Rules.named(rule)
      if count < 4096 { throw ValidationError("--count is \(count); allowed is 4096 or more") }
      if threads < 1 { throw ValidationError("--threads is \(threads); allowed is 1 or more") }
    }

    func run() throws {
      let rule = try Rules.named(rule).init()
      let peak = try PeakMemory(rule, count: count, threads: threads)
      let allowed = try PeakMemory.allowed(rule, count: count, threads: threads)
      try Console().print(
        "\(self.rule) on \(peak.engine), \(count) elements: states \(peak.states >> 10) KiB, "
          + "beside them \(peak.beside >> 10) KiB of at most \(allowed >> 10) KiB")
      if peak.beside > allowed { throw ExitCode.failure }
    }
  }
}
