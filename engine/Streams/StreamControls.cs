namespace Smmu.Fast.Streams;

/// <summary>The registers that decide how streams are looked up, as one value: STRTAB_BASE, STRTAB_BASE_CFG and CR2.</summary>
/// <remarks>Replaced as a whole when one of them is written, which they accept only while SMMUEN is 0.</remarks>
/// <param name="Layout">The Stream table.</param>
/// <param name="E2h">CR2.E2H: STRW = 0b10 means EL2-E2H.</param>
/// <param name="RecordInvalidStreams">CR2.RECINVSID: C_BAD_STREAMID is recorded.</param>
/// <param name="RecordAtsErrors">CR2.REC_CFG_ATS: configuration errors of ATS and PRI traffic are recorded.</param>
internal sealed record StreamControls(
    StreamTableLayout Layout, bool E2h, bool RecordInvalidStreams, bool RecordAtsErrors);
