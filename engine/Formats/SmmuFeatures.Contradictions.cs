namespace Smmu.Fast.Formats;

/// <content>Finds choices that the architecture does not allow together.</content>
public sealed partial class SmmuFeatures
{
    /// <summary>Refuses features that contradict each other.</summary>
    /// <exception cref="ArgumentException">There are contradictions; the message has a sentence for each.</exception>
    public void Check()
    {
        IReadOnlyList<string> contradictions = FindContradictions();
        if (contradictions.Count > 0) throw new ArgumentException(
            "The SMMU features contradict each other: change them so that none of these sentences is broken. "
            + string.Join(" ", contradictions));
    }

    /// <summary>One sentence for each choice that the architecture does not allow; none when all is well.</summary>
    /// <remarks>
    /// FWB is taken as required from v3.2 only where there is a stage 2 for it to act on, as XNX is; the text of FWB leaves
    /// that condition out.
    /// </remarks>
    public IReadOnlyList<string> FindContradictions()
    {
        var found = new List<string>();
        FindInTranslation(found);
        FindInClientServices(found);
        FindInSizes(found);
        FindInOptions(found);
        FindInPermissions(found);
        FindInAddressing(found);
        FindInIdentity(found);
        return found;
    }

    private static void Require(List<string> found, bool holds, string sentence)
    {
        if (!holds) found.Add(sentence);
    }

    private void FindInTranslation(List<string> found)
    {
        Require(found, S1P || S2P, "IDR0: at least one of S1P and S2P must be 1.");
        Require(found, TTF != 0, "IDR0.TTF must name a table format: it cannot be 0.");
        Require(found, (TTF & 1) == 0 || !(DPT || D128), "IDR0.TTF[0] must be 0 with IDR3.DPT or IDR5.D128.");
        Require(found, !Hyp || (S1P && S2P), "IDR0.Hyp must be 0 without S1P and S2P.");
        Require(found, Hyp || !(S1P && S2P) || Version < 2, "IDR0.Hyp must be 1 from v3.2 on with S1P and S2P.");
        Require(found, !VMW || S2P, "IDR0.VMW must be 0 without S2P.");
        Require(found, TTENDIAN != 1, "IDR0.TTENDIAN cannot be 1.");
        Require(found, STALL_MODEL != 3, "IDR0.STALL_MODEL cannot be 3.");
        Require(found, ST_LEVEL < 2, "IDR0.ST_LEVEL must be 0 or 1.");
        Require(found, ST_LEVEL != 0 || SIDSIZE < 7, "IDR0.ST_LEVEL must not be 0 with an IDR1.SIDSIZE of 7 or more.");
        Require(found, (Idr0 & 0xa000_0000) == 0, "IDR0[31] and IDR0[29] must be 0.");
    }

    private void FindInClientServices(List<string> found)
    {
        Require(found, !NS1ATS || (ATS && S1P && S2P), "IDR0.NS1ATS must be 0 without ATS, S1P and S2P.");
        Require(found, !PRI || ATS, "IDR0.PRI must be 0 without ATS.");
        Require(found, !ATSRECERR || ATS, "IDR0.ATSRECERR must be 0 without ATS.");
        Require(found, !VATOS || (ATOS && S1P && S2P), "IDR0.VATOS needs ATOS, S1P and S2P.");
        Require(found, VATOS || Idr2 == 0, "IDR2 must be 0 without IDR0.VATOS.");
        Require(found, (Idr2 & ~0x3ffu) == 0, "IDR2[31:10] must be 0.");
        Require(found, !PPS || (PRI && SSIDSIZE != 0), "IDR3.PPS must be 0 without IDR0.PRI or without substreams.");
        Require(found, !DPT || ATS, "IDR3.DPT needs IDR0.ATS.");
        Require(found, !PASIDTT || (ATS && SSIDSIZE != 0), "IDR3.PASIDTT must be 0 without IDR0.ATS or without substreams.");
        Require(found, STALL_MAX == 0 || STALL_MODEL != 1, "IDR5.STALL_MAX must be 0 when IDR0.STALL_MODEL forbids stalls.");
    }

    private void FindInSizes(List<string> found)
    {
        Require(found, SIDSIZE <= 32, "IDR1.SIDSIZE must be at most 32.");
        Require(found, SSIDSIZE <= 20, "IDR1.SSIDSIZE must be at most 20.");
        Require(found, PRIQS <= MaxQueueLog2, "IDR1.PRIQS must be at most 19.");
        Require(found, EVENTQS <= MaxQueueLog2, "IDR1.EVENTQS must be at most 19.");
        Require(found, CMDQS <= MaxQueueLog2, "IDR1.CMDQS must be at most 19.");
        Require(found, !REL || TABLES_PRESET || QUEUES_PRESET, "IDR1.REL must be 0 without TABLES_PRESET and QUEUES_PRESET.");
        Require(found, !ECMDQ || !QUEUES_PRESET, "IDR1.QUEUES_PRESET must be 0 with ECMDQ.");
        Require(found, !ECMDQ || (COHACC && MSI), "IDR1.ECMDQ needs IDR0.COHACC and IDR0.MSI.");
        Require(found, ECMDQ || Idr6 == 0, "IDR6 must be 0 without IDR1.ECMDQ.");
        Require(found, CMDQ_CONTROL_PAGE_LOG2NUMP <= 8, "IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP must be at most 8.");
        Require(found, CMDQ_CONTROL_PAGE_LOG2NUMQ <= 8, "IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ must be at most 8.");
        Require(found, (Idr6 & 0xf0f0_ffff) == 0, "IDR6[31:28], IDR6[23:20] and IDR6[15:0] must be 0.");
    }

    private void FindInOptions(List<string> found)
    {
        Require(found, !HAD || S1P, "IDR3.HAD must be 0 without IDR0.S1P.");
        Require(found, HAD || !S1P || Version < 1, "IDR3.HAD must be 1 from v3.1 on with IDR0.S1P.");
        Require(found, !PBHA || HAD, "IDR3.PBHA needs IDR3.HAD.");
        Require(found, !PBHA || Version >= 1, "IDR3.PBHA must be 0 in v3.0.");
        Require(found, !XNX || Version >= 1, "IDR3.XNX must be 0 in v3.0.");
        Require(found, XNX || !S2P || Version < 1, "IDR3.XNX must be 1 from v3.1 on with IDR0.S2P.");
        Require(found, FWB || !S2P || Version < 2, "IDR3.FWB must be 1 from v3.2 on with IDR0.S2P.");
        Require(found, RIL || Version < 2, "IDR3.RIL must be 1 from v3.2 on.");
        Require(found, BBML != 3, "IDR3.BBML must be 0, 1 or 2.");
        Require(found, BBML != 0 || Version < 2, "IDR3.BBML must be 1 or 2 from v3.2 on.");
        Require(found, E0PD || Version < 3, "IDR3.E0PD must be 1 from v3.3 on.");
        Require(found, !PTWNNC || S2P, "IDR3.PTWNNC must be 0 without IDR0.S2P.");
        Require(found, PTWNNC || !S2P || Version < 3, "IDR3.PTWNNC must be 1 from v3.3 on with IDR0.S2P.");
        Require(found, EPAN || Version < 4, "IDR3.EPAN must be 1 from v3.4 on.");
        Require(found, (Idr3 & 0xff00_0043) == 0, "IDR3[31:24], IDR3[6] and IDR3[1:0] must be 0.");
    }

    private void FindInPermissions(List<string> found)
    {
        Require(found, !S1PI || S1P, "IDR3.S1PI must be 0 without IDR0.S1P.");
        Require(found, !S2PI || S2P, "IDR3.S2PI must be 0 without IDR0.S2P.");
        Require(found, !S2PO || S2PI, "IDR3.S2PO needs IDR3.S2PI.");
        Require(found, !THE || S1P, "IDR3.THE must be 0 without IDR0.S1P.");
        Require(found, !(THE && S2P) || S2PI, "IDR3.S2PI must be 1 with IDR3.THE and IDR0.S2P.");
        Require(found, !MTEPERM || S2P, "IDR3.MTEPERM must be 0 without IDR0.S2P.");
        Require(found, MTEPERM || !S2P || Version < 4, "IDR3.MTEPERM must be 1 from v3.4 on with IDR0.S2P.");
        Require(found, !AIE || S1P, "IDR3.AIE must be 0 without IDR0.S1P.");
        Require(
            found,
            !D128 || (S1PI && S2PI && S2PO && AIE && MTEPERM),
            "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.");
        Require(found, !D128 || (TTF & 2) != 0, "IDR5.D128 needs IDR0.TTF[1].");
    }

    private void FindInAddressing(List<string> found)
    {
        bool largeGranule = GRAN64K || (DS && (GRAN4K || GRAN16K));
        Require(found, OAS != 6 || Version >= 1, "IDR5.OAS cannot be 52 bits in v3.0.");
        Require(found, OAS != 6 || GRAN64K || DS || D128, "IDR5.OAS of 52 bits needs GRAN64K, DS or D128.");
        Require(found, OAS != 7 || (D128 && Version >= 4), "IDR5.OAS of 56 bits needs v3.4 and D128.");
        Require(found, GRAN4K || (TTF & 1) == 0, "IDR5.GRAN4K must be 1 with IDR0.TTF[0].");
        Require(found, !DS || VAX != 0, "IDR5.DS needs an IDR5.VAX of 52 bits or more.");
        Require(found, !DS || GRAN4K || GRAN16K, "IDR5.DS must be 0 without GRAN4K and GRAN16K.");
        Require(found, VAX != 3, "IDR5.VAX must be 0, 1 or 2.");
        Require(found, VAX == 0 || Version >= 1, "IDR5.VAX must be 0 in v3.0.");
        Require(found, VAX == 0 || largeGranule, "IDR5.VAX above 0 needs GRAN64K, or DS with GRAN4K or GRAN16K.");
        Require(found, VAX != 2 || D128, "IDR5.VAX of 56 bits needs D128.");
        Require(found, (Idr5 & 0xf208) == 0, "IDR5[15:12], IDR5[9] and IDR5[3] must be 0.");
    }

    private void FindInIdentity(List<string> found)
    {
        Require(found, (Iidr & 0x80) == 0, "IIDR[7] must be 0.");
        Require(found, ArchMinorRev <= 4, "AIDR[3:0] must be at most 4: v3.4.");
        Require(found, (Aidr & ~0xfu) == 0, "AIDR[31:4] must be 0.");
    }
}
