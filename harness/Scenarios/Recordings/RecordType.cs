namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>The kinds of record in an SMMUREC2 file. Values that are not named here are skipped.</summary>
public enum RecordType : byte
{
    /// <summary>RESET: the SMMU was reset; the payload holds its ID registers.</summary>
    Reset = 0x01,

    /// <summary>REGW: the CPU wrote a register.</summary>
    RegisterWrite = 0x02,

    /// <summary>REGR: the CPU read a register.</summary>
    RegisterRead = 0x03,

    /// <summary>TR: one translation and its result.</summary>
    Translation = 0x05,

    /// <summary>EVT: the event record the translation before it caused.</summary>
    Event = 0x06,

    /// <summary>IRQ: an interrupt line was raised, or GERROR toggled.</summary>
    Interrupt = 0x07,

    /// <summary>CMDERR: command consumption stopped with an error.</summary>
    CommandError = 0x08,

    /// <summary>DEV: names the device behind a StreamID.</summary>
    DeviceName = 0x09,

    /// <summary>CMD: a command was consumed.</summary>
    Command = 0x0a,

    /// <summary>MEM: words of memory that later records depend on.</summary>
    Memory = 0x10,

    /// <summary>NOTE: text for people.</summary>
    Note = 0x11,

    /// <summary>TRX: the stage 2 side of the translation before it.</summary>
    TranslationStages = 0x12,
}
