using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>CR0.VMW lets one invalidation reach a family of VMIDs; look-ups stay exact (IHI 0070, 6.3.9.1).</summary>
public sealed class VmidWildcardTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ulong Before = 0x4100_0000;
    private const ulong After = 0x4200_0000;
    private const ushort Family = 0x20;
    private const int WildcardShift = 6;

    private readonly GuestMachine machine = new();
    private readonly Dictionary<ushort, Stage1Space> spaces = [];

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 7)]
    [InlineData(4, 15)]
    [InlineData(5, 0)]
    [InlineData(7, 0)]
    [Rule("CTL-09")]
    [Rule("EN-23")]
    public void AnInvalidationIgnoresTheLowBitsThatTheFieldNames(int code, int ignored)
    {
        ushort[] vmids = [Family, Family + 1, Family + 2, Family + 4, Family + 8, Family + 15, Family + 16];
        machine.Start();
        foreach (ushort vmid in vmids) Attach(vmid, PageOf(vmid), Output(Before, vmid));
        foreach (ushort vmid in vmids) Assert.Equal(Output(Before, vmid), OutputOf(vmid, PageOf(vmid)));

        uint control = machine.Read(RegisterOffset.CR0);
        machine.Write(RegisterOffset.CR0, control | ((uint)code << WildcardShift));
        foreach (ushort vmid in vmids) spaces[vmid].Map(PageOf(vmid), Output(After, vmid));
        machine.SubmitAndSync(Command.TlbiNhAll(new Vmid(Family)));

        foreach (ushort vmid in vmids)
        {
            bool isReached = (vmid & ~ignored) == (Family & ~ignored);
            Assert.Equal(Output(isReached ? After : Before, vmid), OutputOf(vmid, PageOf(vmid)));
        }
    }

    [Fact]
    [Rule("CTL-10")]
    public void ALookUpNeverIgnoresABit()
    {
        machine.Start();
        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) | (4u << WildcardShift));
        foreach (ushort vmid in (ushort[])[Family, Family + 1, Family + 8]) Attach(vmid, Page, Output(Before, vmid));
        for (int turn = 0; turn < 2; turn++)
        {
            foreach (ushort vmid in (ushort[])[Family, Family + 1, Family + 8])
            {
                Assert.Equal(Output(Before, vmid), OutputOf(vmid, Page));
            }
        }
    }

    // A stream whose number is its VMID, with a space of the same ASID as all others.
    private void Attach(ushort vmid, ulong page, ulong output)
    {
        var space = new Stage1Space(machine, asid: 1);
        space.Map(page, output);
        spaces[vmid] = space;
        ulong context = machine.AttachStage1(vmid, space);
        machine.SetStream(vmid, Entries.Stage1(context).With(StreamTableEntryField.S2VMID, vmid));
    }

    private static ulong Output(ulong start, ushort vmid) => start + ((ulong)vmid << 12);

    private ulong OutputOf(ushort vmid, ulong page) =>
        machine.Smmu.Translate(new StreamId(vmid), null, page, AccessKind.Read).Address.Value;

    // A page for each: they need not share a set of the TLB.
    private static ulong PageOf(ushort vmid) => (ulong)vmid << 12;
}
