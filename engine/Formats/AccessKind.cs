namespace Smmu.Fast.Formats;

/// <summary>What a client device asks for: the attributes of one transaction (IHI 0070, 13.1.1 to 13.1.3).</summary>
/// <remarks>An access without privilege and instruction marks is unprivileged data, as a PCIe access without PASID is.</remarks>
[Flags]
public enum AccessKind : byte
{
    /// <summary>The device reads memory.</summary>
    Read = 1 << 0,

    /// <summary>The device writes memory.</summary>
    Write = 1 << 1,

    /// <summary>An atomic with return value: needs read and write permission; the write is judged first.</summary>
    Atomic = Read | Write,

    /// <summary>Marks a read as an instruction fetch (InD); of no effect on writes.</summary>
    Instruction = 1 << 2,

    /// <summary>Marks the access as privileged (PnU).</summary>
    Privileged = 1 << 3,
}

/// <summary>What a translation permits: one bit each for read, write and execute, unprivileged and privileged.</summary>
[Flags]
public enum AccessPermissions : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Unprivileged data reads.</summary>
    UnprivilegedRead = 1 << 0,

    /// <summary>Unprivileged data writes.</summary>
    UnprivilegedWrite = 1 << 1,

    /// <summary>Unprivileged instruction reads.</summary>
    UnprivilegedExecute = 1 << 2,

    /// <summary>Privileged data reads.</summary>
    PrivilegedRead = 1 << 3,

    /// <summary>Privileged data writes.</summary>
    PrivilegedWrite = 1 << 4,

    /// <summary>Privileged instruction reads.</summary>
    PrivilegedExecute = 1 << 5,

    /// <summary>Every access.</summary>
    All = 0x3f,
}
