using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The code of README.md, run: each region stands there word by word.</summary>
public class ReadmeExamples
{
    private const uint GERROR = RegisterOffset.GERROR;

    [Fact]
    public void AnEmulatorHangsTheSmmuOnItsBus()
    {
        var raisedLines = new List<InterruptLine>();
        uint offset = RegisterOffset.CR0;
        uint value = 0;

        #region Embedding
        using var memory = new GuestMemory();                               // Physical memory of the guest:
        memory.AddOwned(0x4000_0000, 64 << 20);                             // 64 MiB of RAM; AddBorrowed takes yours.
        using var smmu = new SmmuDevice(new SmmuOptions { Memory = memory });
        smmu.InterruptRaised += raisedLines.Add;                            // Wired lines; MSIs go to memory by themselves.

        smmu.WriteRegister32(offset, value);                                // A CPU writes the SMMU's pages,
        uint answer = smmu.ReadRegister32(offset);                          // a CPU reads them.

        using var port = smmu.OpenPort(new StreamId(8));                    // A DMA master behind the SMMU,
        byte[] packet = new byte[1500];
        bool arrived = port.Read(0x4000_1000, packet);                      // and its DMA: translated, split, checked.
        #endregion

        Assert.Equal(0u, answer);
        Assert.True(arrived);
        Assert.Empty(raisedLines);
        Assert.Equal(0u, smmu.ReadRegister32(GERROR));
    }

    [Fact]
    public void AScopeKeepsAnAddressUsable()
    {
        using var machine = new GuestMachine();
        machine.Start();
        var space = new Stage1Space(machine, asid: 1);
        space.Map(0x1000, 0x4100_0000);
        machine.AttachStage1(8, space);
        using var port = machine.Smmu.OpenPort(new StreamId(8));
        ulong iova = 0x1234;
        ulong touched = 0;

        #region Scope
        using (var scope = port.Enter())                                    // Until the end of the scope the address stays
        {                                                                   // valid: CMD_SYNC waits for it.
            var result = scope.Translate(iova, AccessKind.Write);
            if (result.IsSuccess) touched = result.Address.Value;           // Also: LeafSize, Permissions, Attributes.
        }                                                                   // Else: Outcome and Event say why not.
        #endregion

        Assert.Equal(0x4100_0234UL, touched);
    }
}
