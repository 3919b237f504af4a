using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

internal sealed partial class MachineRunner
{
    private string? Translate(TranslateStep access)
    {
        if (access.Route == AccessRoute.Batch) return TranslateMany(access);
        ulong address = access.Addresses[0];
        bool waits = access.Route == AccessRoute.WaitingPort;
        bool mayStall = waits && clients.MayStall(access.Stream, access.Substream);
        var statistics = options.Coverage is null ? default : pair.Engine.GetStatistics();
        var result = Ask(access, address);
        string? difference = Judge(access, address, in result, mayStall, isOneOfMany: false);
        options.Coverage?.OfCaches(statistics, pair.Engine.GetStatistics(), in result);
        if (difference is not null || result.StallToken == 0) return difference;
        options.Distribution.CountStall();
        return clients.Hold(new StalledAccess(result.StallToken, access, address) { IsRecorded = pair.WasRecorded });
    }

    // Where anything older may be known, what each of many accesses did cannot be told: then they are made one by one.
    private string? TranslateMany(TranslateStep access)
    {
        var marks = MarksOf(access);
        var port = access.Addresses.All(address => judge!.IsCertain(pair, access, address, marks))
            ? clients.PortOf(pair.Engine, access.Stream, access.Substream, waits: false) : null;
        if (port is null)
        {
            return access.Addresses.Select(address => Translate(access with { Route = AccessRoute.Port, Addresses = [address] }))
                .FirstOrDefault(difference => difference is not null);
        }

        ulong[] addresses = [.. access.Addresses];
        var results = new TranslationResult[addresses.Length];
        port.TranslateBatch(addresses, results, access.Kind);
        for (int i = 0; i < addresses.Length; i++)
        {
            if (Judge(access, addresses[i], in results[i], mayStall: false, isOneOfMany: true) is { } difference) return difference;
        }

        return null;
    }

    private TranslationResult Ask(TranslateStep access, ulong address)
    {
        var port = access.Route == AccessRoute.OneOff ? null
            : clients.PortOf(pair.Engine, access.Stream, access.Substream, access.Route == AccessRoute.WaitingPort);
        if (port is not null) return port.Translate(address, access.Kind);
        SubstreamId? substream = access.Substream is { } value ? new SubstreamId(value) : null;
        return pair.Engine.Translate(new StreamId(access.Stream), substream, address, access.Kind);
    }

    private string? Judge(TranslateStep access, ulong address, in TranslationResult result, bool mayStall, bool isOneOfMany)
    {
        var marks = MarksOf(access) with { CannotStall = !mayStall, StallTag = (ushort)result.StallToken };
        last = judge!.Judge(pair, access, address, marks, in result, isOneOfMany);
        options.Distribution.Count(last, judge.Accepted);
        options.Coverage?.OfAccess(last, judge.Accepted);
        if (options.Trace is not null)
        {
            Note($"engine: {AnswerText.Of(last.Engine)}");
            Note(last.Verdict == Verdict.Exact ? "oracle: the same" : $"oracle: {AnswerText.Of(last.Oracle)} ({Explain(last.Verdict)})");
        }

        return last.Difference is null ? null
            : $"{last.Difference} differs\n  engine: {AnswerText.Of(last.Engine)}\n  oracle: {AnswerText.Of(last.Oracle)}\n  by way of: {string.Join("; ", last.Result.Steps)}";
    }

    private static string Explain(Verdict verdict) => verdict switch
    {
        Verdict.Stale => "from what may still be cached",
        Verdict.Foreign => "others under the same tags may be cached: any answer will do",
        Verdict.Unsettled => "too many things may be cached: any answer will do",
        _ => "wrong",
    };

    private static OracleAccess MarksOf(TranslateStep access)
    {
        var direction = (access.Kind & AccessKind.Atomic) switch
        {
            AccessKind.Read => OracleDirection.Read,
            AccessKind.Write => OracleDirection.Write,
            _ => OracleDirection.Atomic,
        };
        return new OracleAccess(direction, (access.Kind & AccessKind.Privileged) != 0, (access.Kind & AccessKind.Instruction) != 0)
        {
            CannotStall = true,
        };
    }
}
